"""inf2lab.catalog: every entry is complete, and the values are those of the sources."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from inf2lab import catalog
from inf2lab.errors import SettingsError
from neuron_rules import GENERATIONS

FOLDER = Path(catalog.__file__).parent

# Chips, NeuronCores, vCPUs, RAM, device memory, price: SDK pages inf2-arch.rst and trn1-arch.rst, price tables.
SIZES = {
    "inf2.xlarge": (1, 2, 4, 16, 32, 0.758),
    "inf2.8xlarge": (1, 2, 32, 128, 32, 1.97),
    "inf2.24xlarge": (6, 12, 96, 384, 192, 6.49),
    "inf2.48xlarge": (12, 24, 192, 768, 384, 12.981),
    "trn1.2xlarge": (1, 2, 8, 32, 32, 1.34),
    "trn1.32xlarge": (16, 32, 128, 512, 512, 21.5),
    "trn1n.32xlarge": (16, 32, 128, 512, 512, None),
}
# Hidden, layers, heads: the OPT paper's table 1.
OPT = {
    "facebook/opt-125m": (768, 12, 12),
    "facebook/opt-1.3b": (2048, 24, 32),
    "facebook/opt-2.7b": (2560, 32, 32),
    "facebook/opt-6.7b": (4096, 32, 32),
    "facebook/opt-13b": (5120, 40, 40),
    "facebook/opt-30b": (7168, 48, 56),
    "facebook/opt-66b": (9216, 64, 72),
}
# DJL, torch-neuronx, transformers-neuronx, neuronx-cc, transformers, Python: pytorch-inf2.Dockerfile of each tag.
# None: not pinned there.
IMAGES = {
    "seed-0.21": ("0.21.0", "1.13.0.1.4.0", "0.2", None, None, "3.8"),
    "djl-0.22": ("0.22.1", "1.13.0.1.4.0", "0.2", "2.4.*", None, "3.8"),
    "djl-0.23": ("0.23.0", "1.13.1.1.8.0", "0.4.60", "2.6.*", "4.30.1", "3.8"),
    "djl-0.24": ("0.24.0", "1.13.1.1.11.0", "0.7.84", "2.10.*", "4.34.0", "3.8"),
    "djl-0.25": ("0.25.0", "1.13.1.1.12.0", "0.8.268", "2.11.0.35", "4.34.0", "3.8"),
    "djl-0.26": ("0.26.0", "1.13.1.1.13.0", "0.9.474", "2.12.54.0", "4.35.0", "3.9"),
    "djl-0.27": ("0.27.0", "2.1.2.2.1.0", "0.10.0.21", "2.13.66.0", "4.36.2", "3.9"),
    "djl-0.28": ("0.28.0", "2.1.2.2.1.0", "0.10.0.360", "2.13.72.0", "4.36.2", "3.10"),
    "djl-0.29": ("0.29.0", "2.1.2.2.2.0", "0.11.351", "2.14.227.0", "4.43.1", "3.10"),
    "lmi-0.30": ("0.30.0", "2.1.2.2.3.1", "0.12.313", "2.15.141.0", "4.45.2", "3.10"),
    "djl-0.31": ("0.31.0", "2.1.2.2.3.1", "0.12.313", "2.15.141.0", "4.45.2", "3.10"),
    "djl-0.32": ("0.32.0", "2.1.2.2.4.0", "0.13.380", "2.16.372.0", "4.45.2", "3.10"),
    "djl-0.33": ("0.33.0", "2.1.2.2.4.0", "0.13.380", "2.16.372.0", "4.45.2", "3.10"),
    "djl-0.34": ("0.34.0", "2.1.2.2.4.0", "0.13.380", "2.16.372.0", "4.45.2", "3.10"),
}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_data_file_names_its_source_and_the_day_it_was_checked(path: Path) -> None:
    data = json.loads(path.read_text())
    assert len(data["source"]) > 20
    assert datetime.date.fromisoformat(data["checked"]) >= datetime.date(2026, 1, 1)


def tables() -> list[tuple[str, dict[str, str]]]:
    """(place, row) of every row that has a name; a row has its file's source and date unless it says others."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        data = json.loads(path.read_text())
        about = {key: data[key] for key in ("source", "checked")}
        for table, rows in data.items():
            if isinstance(rows, dict):
                places = {f"{path.stem}.{table}.{name}": row for name, row in rows.items() if isinstance(row, dict)}
                found += [(place, about | row) for place, row in places.items()]
    return found


def test_every_row_has_a_source_and_a_date() -> None:
    assert len(tables()) > 100
    for place, row in tables():
        assert len(row["source"]) > 10, place
        assert datetime.date.fromisoformat(row["checked"]) >= datetime.date(2026, 1, 1), place


@pytest.mark.parametrize("name", catalog.instances())
def test_an_instances_topology_is_known(name: str) -> None:
    found = catalog.topology(catalog.instance(name).topology)
    assert (found.columns is None) == (found.name != "2D torus")
    assert found.container_devices in (None, (1, 4, 8, 16))


@pytest.mark.parametrize("name", catalog.instances())
def test_instance(name: str) -> None:
    entry = catalog.instance(name)
    found = (entry.chips, entry.cores, entry.vcpus, entry.host_gib, entry.device_gib, entry.usd_per_hour)
    assert entry.name == name
    assert found == SIZES[name]
    assert entry.family == name.split(".")[0].removesuffix("n")
    assert (entry.cores, entry.device_gib) == (2 * entry.chips, 32 * entry.chips)


@pytest.mark.parametrize("name", OPT)
def test_model(name: str) -> None:
    dims = catalog.model(name)
    assert dims.name == name
    assert (dims.hidden, dims.layers, dims.heads) == OPT[name]
    assert (dims.architecture, dims.ffn, dims.kv_heads) == ("opt", 4 * dims.hidden, dims.heads)
    assert (dims.vocab, dims.max_positions) == (50272, 2048)
    assert dims.hidden % dims.heads == 0


@pytest.mark.parametrize("name", OPT)
def test_the_name_of_a_model_is_its_size(name: str) -> None:
    number, unit = name.split("-")[1][:-1], name[-1]
    said = float(number) * {"m": 1e6, "b": 1e9}[unit]
    assert catalog.model(name).parameters == pytest.approx(said, rel=0.06)


def test_opt_13b_has_its_published_number_of_parameters() -> None:
    assert catalog.model("facebook/opt-13b").parameters == 12_853_473_280


@pytest.mark.parametrize("name", catalog.profiles())
def test_profile(name: str) -> None:
    entry = catalog.profile(name)
    packages = ("torch-neuronx", "transformers-neuronx", "neuronx-cc", "transformers")
    assert (entry.djl, *(entry.packages.get(package) for package in packages), entry.python) == IMAGES[name]
    assert entry.name == name
    assert entry.image == f"deepjavalibrary/djl-serving:{entry.djl}-pytorch-inf2"
    assert entry.why


@pytest.mark.parametrize("name", catalog.profiles())
def test_the_time_outs_are_those_the_image_exports_or_else_the_servers_own(name: str) -> None:
    entry = catalog.profile(name)
    expected = (240, 120) if name == "seed-0.21" else (1200, 240)
    assert (entry.loading_timeout_s, entry.predict_timeout_s) == expected


@pytest.mark.parametrize("name", catalog.profiles())
def test_the_references_of_a_profile_resolve(name: str) -> None:
    entry = catalog.profile(name)
    generation = GENERATIONS[entry.tnx_generation] if entry.tnx_generation else None
    if generation:
        assert entry.packages["transformers-neuronx"].startswith(generation.name)
        assert set(entry.handler_dtypes.values()) <= set(generation.dtypes)
    assert entry.handler_default_dtype in entry.handler_dtypes
    assert entry.worker in (None, entry.djl)
    assert entry.rehearsed_by is None or entry.rehearsed_by in {p.worker for p in catalog.profiles().values()}


@pytest.mark.parametrize("name", catalog.profiles())
def test_the_built_in_handler_of_each_release(name: str) -> None:
    entry = catalog.profile(name)
    minor = int(entry.djl.split(".")[1])
    module = "transformer-neuronx" if minor < 22 else "transformers-neuronx" if minor < 24 else "transformers_neuronx"
    assert entry.entry_point == f"djl_python.{module}"
    assert list(entry.handler_dtypes) == (["fp32", "fp16"] if minor < 24 else ["fp32", "fp16", "bf16"])
    assert entry.handler_default_dtype == ("fp32" if minor < 26 else "fp16")


def test_the_default_profile_is_the_last_that_documented_opt() -> None:
    assert catalog.default_profile() == "djl-0.25"
    assert catalog.profile("djl-0.25").packages["transformers"] == "4.34.0"
    assert catalog.profile("djl-0.25").packages["neuronx-cc"] == "2.11.0.35"


def test_the_handler_spells_dtypes_in_its_own_way() -> None:
    assert catalog.profile("djl-0.25").handler_dtype("f16") == "fp16"
    with pytest.raises(SettingsError, match=r"dtype='bf16': the built-in handler of seed-0\.21 takes one of f32, f16"):
        catalog.profile("seed-0.21").handler_dtype("bf16")


@pytest.mark.parametrize(
    ("look_up", "name", "known"),
    [
        (catalog.instance, "inf2.12xlarge", "inf2.24xlarge, inf2.48xlarge"),
        (catalog.model, "facebook/opt-350m", "facebook/opt-13b"),
        (catalog.profile, "djl-0.20", ", ".join(catalog.profiles())),
        (catalog.profile, "latest", ", ".join(catalog.profiles())),
        (catalog.profile, "", ", ".join(catalog.profiles())),
    ],
    ids=["instance", "model", "older", "latest", "empty"],
)
def test_an_unknown_name_is_answered_with_the_known_ones(look_up, name: str, known: str) -> None:
    with pytest.raises(SettingsError) as caught:
        look_up(name)
    assert f"{name!r}: not in the catalog; use one of" in str(caught.value)
    assert known in str(caught.value)


@pytest.mark.parametrize("name", ["djl-0.35", "lmi-0.36", "0.35.0", "djl-0.35.0", "djl-1.0"])
def test_a_release_without_neuron_says_why_and_what_to_do(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        catalog.profile(name)
    assert f"profile={name!r}" in str(caught.value)
    assert "removed its Neuron code in 0.35.0" in str(caught.value)
    assert "djl-0.25" in str(caught.value)
    assert "migrate" in str(caught.value)


def test_the_catalog_cannot_be_changed_by_its_readers() -> None:
    with pytest.raises(TypeError):
        catalog.instances()["inf2.tiny"] = catalog.instance("inf2.xlarge")  # type: ignore[index]
