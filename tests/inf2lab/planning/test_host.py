"""inf2lab.planning's host needs: what loading holds in memory and on disk, as the folder's own handler loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inf2lab import Settings
from inf2lab.planning import host_needs
from inf2lab.planning import plan_of as plan_for_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conftest import WriteFolder

    from .conftest import PlanOf

SETTINGS = Settings(instance="inf2.8xlarge")
OPT_13B = {"option.model_id": "facebook/opt-13b", "option.tensor_parallel_degree": 2, "option.n_positions": 2048}
OWN = OPT_13B | {"option.dtype": "f16"}
BUILT_IN = OPT_13B | {"option.entryPoint": "djl_python.transformers_neuronx", "option.dtype": "fp16"}
LOADS = "AutoModelForCausalLM.from_pretrained(properties['model_id'], low_cpu_mem_usage=True{})\n"


def loads(write: WriteFolder, values: Mapping[str, object], *, with_: str | None = None, profile: str = "") -> float:
    """GiB that loading a folder takes, whose handler reads the checkpoint `with_` further arguments."""
    settings = Settings(instance="inf2.8xlarge", profile=profile or "djl-0.25")
    folder = write("opt13b", values, handler=None if with_ is None else LOADS.format(with_))
    return plan_for_folder(folder, settings).host.worker_gib


@pytest.mark.parametrize("named", ['torch_dtype="auto"', "torch_dtype=torch.float16", "torch_dtype=to_torch(amp)"])
def test_a_handler_that_names_its_format_holds_half(write_folder: WriteFolder, named: str) -> None:
    assert loads(write_folder, OWN, with_=f", {named}") == pytest.approx(33 + 2, abs=0.5)


@pytest.mark.parametrize("named", ["", ", torch_dtype=None", ", torch_dtype=torch.float32"])
def test_a_handler_that_names_none_is_counted_in_f32_with_a_file_in_hand(write_folder: WriteFolder, named: str) -> None:
    """The handler of notebook 04 held 57 GiB, planner and pod counted 24."""
    assert loads(write_folder, OWN, with_=named) == pytest.approx(57 + 2, abs=0.5)


def test_a_handler_that_reads_a_split_checkpoint_holds_a_layer(write_folder: WriteFolder) -> None:
    folder = write_folder("opt13b", OWN, handler="OPTForSampling.from_pretrained(properties['model_id'])\n")
    host = plan_for_folder(folder, SETTINGS).host
    assert host.worker_gib == host.split_gib < 15


@pytest.mark.parametrize(
    ("profile", "values", "gib"),
    [
        ("djl-0.25", BUILT_IN, 107),
        ("djl-0.25", BUILT_IN | {"option.low_cpu_mem_usage": "true"}, 59),
        ("djl-0.25", BUILT_IN | {"option.load_split_model": "true"}, 13),
        ("djl-0.23", BUILT_IN, 59),
    ],
)
def test_the_built_in_handlers_copies_are_counted(
    write_folder: WriteFolder, profile: str, values: Mapping[str, object], gib: int
) -> None:
    assert loads(write_folder, values, profile=profile) == pytest.approx(gib, abs=0.6)


def test_workers_load_one_after_the_other(plan_of: PlanOf) -> None:
    """Twelve of them were said to take 575 GiB at once."""
    request = plan_of().request
    one, twelve = host_needs(request, 1), host_needs(request, 12)
    assert twelve.worker_gib == one.peak_gib
    assert 10 < twelve.peak_gib - one.peak_gib < 11 * 3
    assert "12 workers one after the other take up to 57 of 768 GiB" in twelve.text


def test_compilers_count_where_they_take_more_than_the_model(plan_of: PlanOf) -> None:
    few, many = (plan_of("opt-1.3b", instance="inf2.xlarge", n_positions=n).host.peak_gib for n in (128, 2048))
    assert many > few + 5


def test_the_cheapest_fit_counts_what_the_handler_does(write_folder: WriteFolder, plan_of: PlanOf) -> None:
    """A trn1.2xlarge of 32 GiB was called the cheapest for OPT-13B, and its kernel would have killed the load."""
    assert plan_of().cheapest.instance == "inf2.8xlarge"
    assert plan_of("opt-1.3b").cheapest.instance == "inf2.xlarge"
    folder = write_folder("opt13b", OWN | {"option.model_id": "facebook/opt-6.7b"}, handler=LOADS.format(""))
    assert plan_of("opt-6.7b").cheapest.instance == "trn1.2xlarge"
    assert plan_for_folder(folder, SETTINGS).cheapest.instance == "inf2.8xlarge"


def test_the_disk_gets_the_hubs_files_and_the_split_copy(plan_of: PlanOf) -> None:
    assert plan_of().host.disk_gib == pytest.approx(2 * 25.7e9 / 2**30, abs=0.5)


@pytest.mark.parametrize(
    ("model", "instance", "said"),
    [
        ("opt-1.3b", "inf2.xlarge", "(read in f16)"),
        ("opt-13b", "trn1.2xlarge", "convert the model elsewhere"),
        ("bloom", "inf2.xlarge", "choose an instance with more memory"),
    ],
)
def test_the_sentence_says_how_to_load(plan_of: PlanOf, model: str, instance: str, said: str) -> None:
    assert said in plan_of(model, instance=instance).host.text


def test_a_handler_in_f32_is_told_of_its_torch_dtype(write_folder: WriteFolder) -> None:
    folder = write_folder("opt13b", OWN | {"option.model_id": "facebook/opt-6.7b"}, handler=LOADS.format(""))
    text = plan_for_folder(folder, Settings(instance="trn1.2xlarge")).host.text
    assert "names no torch_dtype): with torch_dtype=" in text
