"""Where next, as data: one verdict for every key and request field on every target, and each with its source."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

import write_where_next
from inf2lab import catalog
from inf2lab.catalog import Fate, Verdict, fates
from inf2lab.errors import SettingsError
from inf2lab.shapes import SHAPES, Ask

KINDS = ("options", "server_keys", "things", "request_fields")


def verdicts(kind: str) -> Counter[tuple[str, str]]:
    """How many verdicts there are on each (name, target)."""
    return Counter((name, target) for one in fates(kind) for name in one.names for target in one.targets)


def wanted(names: set[str]) -> set[tuple[str, str]]:
    return {(name, target) for name in names for target in catalog.successors()}


def request_fields() -> set[str]:
    """Every field of the requests that DJLServing's handlers, the article's and a chat take."""
    found = {shape.prompts for shape in (profile.request for profile in catalog.profiles().values())}
    found |= {key for profile in catalog.profiles().values() for key in profile.request.length}
    for shape in SHAPES.values():
        body = shape.body(Ask(("Hello",), 1, 8, "opt13b"))
        for key, value in body.items() if isinstance(body, dict) else ():
            found |= {key, *(f"{key}.{name}" for name in (value if isinstance(value, dict) else ()))}
    return found


@pytest.mark.parametrize("kind", ["options", "server_keys"])
def test_every_key_of_the_catalogue_has_one_verdict_for_each_target(kind: str) -> None:
    table = catalog.options().options if kind == "options" else catalog.options().server_keys
    assert verdicts(kind) == dict.fromkeys(wanted(set(table)), 1)


def test_a_new_key_has_none() -> None:
    assert wanted({*catalog.options().options, "a_key_of_tomorrow"}) - set(verdicts("options"))


def test_every_field_of_a_request_has_one_verdict_for_each_target() -> None:
    assert wanted(request_fields()) - set(verdicts("request_fields")) == set()
    assert set(verdicts("request_fields").values()) == {1}


def test_files_and_variables_have_one_each() -> None:
    assert set(verdicts("things")) == wanted({name for one in fates("things") for name in one.names})
    assert set(verdicts("things").values()) == {1}


def test_what_djl_0_34_reads_beyond_its_pages_is_known() -> None:
    more = "amp fused_rmsnorm_qkv qkv_tiling mlp_out_weight_transpose sequence_parallel_norm_threshold input_formatter"
    more += " compilation_worker_count sequence_parallel multi_node neuron_cc_pipeline_factor neuron_quant"
    assert set(f"{more} bedrock_compat enable_lora".split()) <= set(catalog.options().options)


@pytest.mark.parametrize("kind", KINDS)
def test_every_verdict_has_a_source_and_says_how_sure_it_is(kind: str) -> None:
    for one in fates(kind):
        assert Verdict(one.verdict) is one.judged
        assert one.source in catalog.successor_sources(), one
        assert one.sure in ("source", "ran", "docs", "inferred"), one
        assert one.says or one.becomes, one
        assert not (one.judged in (Verdict.NONE, Verdict.BUILT_IN) and one.becomes), one
    assert all(re.search(r"\d{4}|\d\.\d", text) for text in catalog.successor_sources().values())


def test_a_setting_that_is_written_is_one_that_nxd_inference_knows() -> None:
    names = catalog.override_names()
    assert len(names.neuron) == 138
    rules = [one.rule for one in fates("options") if one.targets == ("vllm-nxdi",)]
    written = {rule.removeprefix("override.") for rule in rules if rule.startswith("override.")}
    assert len(written) > 6
    assert written <= set(names.neuron)


def test_what_moves_unasked_is_said_for_every_target() -> None:
    told = {target: {move.what for move in catalog.moves(target)} for target in catalog.successors()}
    everything = set().union(*told.values())
    assert len(everything) > 15
    assert all(found == everything for found in told.values()), told
    assert all(move.source in catalog.successor_sources() for move in catalog.moves("vllm-nxdi"))


def test_an_image_is_named_by_its_tag_and_no_registry_is() -> None:
    target = catalog.successor("vllm-nxdi")
    assert catalog.successor_image(target).sdk == "2.28.0"
    last = catalog.successor_images()[10]
    assert catalog.successor_image(target, f"somewhere.example/{last.name}") is last
    assert last.version == (0, 16, 0)
    with pytest.raises(SettingsError, match="use one of"):
        catalog.successor_image(target, "0.36.0-lmi19.0.0-cu128")
    assert not [one for one in catalog.successor_images() if "." in one.repository]


@pytest.mark.parametrize("name", ["vllm-nxdi", "optimum", "vllm-neuron", "lmi-vllm"])
def test_every_target_has_its_default_image(name: str) -> None:
    target = catalog.successor(name)
    assert catalog.successor_image(target).target == name
    assert set(catalog.successor_image(target).families) <= set(target.families) | {"trn3"}


def test_flags_come_and_go_with_vllm() -> None:
    flags = catalog.successor_flags()
    assert flags["--device"].known_in((0, 9, 1))
    assert not flags["--device"].known_in((0, 13, 0))
    assert not flags["--max-num-queued-reqs"].known_in((0, 16, 0))


def test_tables_and_field_reports_are_kept_apart_and_dated() -> None:
    assert {row.kind for row in catalog.model_support()} == {"table", "code", "report"}
    for row in catalog.model_support():
        assert row.target in catalog.successors()
        assert row.verdict in ("yes", "no", "unknown")
        assert re.fullmatch(r"2026-\d\d-\d\d", row.date)
        assert (row.kind == "report") == bool(row.sdk), row
    assert "81.2 %" in catalog.contributed_port("opt")
    assert catalog.contributed_port("llama") == ""


def test_djl_s_handlers_sampled_in_some_releases_only() -> None:
    sampled = [name for name, one in catalog.profiles().items() if catalog.old_answers().sampled_in(one.version)]
    assert sampled == ["seed-0.21", "djl-0.22", "djl-0.25", "djl-0.26"]


def test_a_fate_that_a_program_can_write_is_told_from_words() -> None:
    def rule(becomes: str) -> str:
        return Fate((), (), "renamed", becomes, "", "vllm", "source").rule

    assert [rule(text) for text in ("--revision", "override.fused_qkv", "option.dtype", "$X")] == [
        "--revision",
        "override.fused_qkv",
        "option.dtype",
        "$X",
    ]
    assert rule("--speculative-config with an EAGLE draft") == ""
    assert json.dumps(rule("`stream` of each request")) == '""'


def test_the_page_is_what_the_tool_writes() -> None:
    assert write_where_next.PAGE.read_text(encoding="utf-8") == write_where_next.page(), "run write_where_next.py"


def test_the_page_has_every_key_and_every_target() -> None:
    text = write_where_next.page()
    assert all(f"`{name}`" in text for name in catalog.options().options)
    assert all(image in text for image in (one.image for one in catalog.successors().values()))
    days = [one.date for one in catalog.stack_history()]
    assert days == sorted(days)
