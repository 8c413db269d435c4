"""inf2lab.settings: every wrong value is refused with the value, the rule and the remedy; notebooks feed it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from inf2lab import Server, Settings
from inf2lab.errors import ServerError, SettingsError
from inf2lab.settings import injected_names

INJECTED = "# Parameters\nport = 9001\n"


def test_the_defaults_are_the_articles_model_on_the_article_s_instance() -> None:
    settings = Settings()
    assert (settings.lane, settings.profile, settings.instance) == ("rehearsal", "djl-0.25", "inf2.48xlarge")
    assert (settings.model_id, settings.model_name) == ("facebook/opt-13b", "opt13b")
    assert (settings.tensor_parallel_degree, settings.batch_size) == (2, 2)
    assert (settings.n_positions, settings.dtype, settings.port) == (2048, "f16", 8080)


def test_facts_hang_on_the_settings() -> None:
    settings = Settings(profile="seed-0.21", instance="inf2.xlarge", model_id="facebook/opt-1.3b")
    assert settings.stack.djl == "0.21.0"
    assert settings.hardware.cores == 2
    assert settings.model.heads == 32
    assert settings.generation.name == "0.2"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lane": "aws"}, ["lane='aws'", "'rehearsal'", "'inf2'"]),
        ({"profile": "djl-0.20"}, ["profile='djl-0.20'", "not in the catalog", "djl-0.25"]),
        ({"profile": "djl-0.36"}, ["profile='djl-0.36'", "removed its Neuron code", "djl-0.25"]),
        ({"instance": "p4d.24xlarge"}, ["instance='p4d.24xlarge'", "not in the catalog", "inf2.48xlarge"]),
        ({"model_id": "facebook/opt-350m"}, ["model_id='facebook/opt-350m'", "use one of", "facebook/opt-13b"]),
        ({"model_name": "opt-13b"}, ["model_name='opt-13b'", "URL", "letters, digits and _"]),
        ({"model_name": ""}, ["model_name=''", "letters, digits and _"]),
        ({"model_name": "a/b"}, ["model_name='a/b'", "letters, digits and _"]),
        ({"tensor_parallel_degree": 0}, ["tensor_parallel_degree=0", "1 or more"]),
        ({"tensor_parallel_degree": 3}, ["tensor_parallel_degree=3", "not supported", "1, 2, 4, 8, 24"]),
        (
            {"tensor_parallel_degree": 8, "instance": "inf2.xlarge"},
            ["tensor_parallel_degree=8", "2 are visible", "from 1 to 2"],
        ),
        ({"batch_size": 0}, ["batch_size=0", "1 or more"]),
        ({"n_positions": -1}, ["n_positions=-1", "1 or more"]),
        ({"n_positions": 4096}, ["n_positions=4096", "has 2048 positions", "at most 2048"]),
        ({"dtype": "fp16"}, ["dtype='fp16'", "f32, f16, bf16", "built-in handler's spelling of `f16`"]),
        ({"dtype": "int8"}, ["dtype='int8'", "one of f32, f16, bf16"]),
        ({"first_device": 12}, ["first_device=12", "12 Neuron devices, 0 to 11", "no other server has"]),
        ({"first_device": -1}, ["first_device=-1", "0 to 11"]),
        ({"machine": "a/b"}, ["machine='a/b'", "letters, digits and _"]),
        ({"machine": "mine", "lane": "inf2"}, ["machine='mine'", "leave it empty"]),
        ({"port": 0}, ["port=0", "from 1 to 65535", "8080"]),
        ({"port": 65536}, ["port=65536", "from 1 to 65535"]),
        ({"port": "8080"}, ["port='8080'", "of type int, not str"]),
        ({"batch_size": True}, ["batch_size=True", "of type int, not bool"]),
        ({"batch_size": 2.0}, ["batch_size=2.0", "of type int, not float"]),
        ({"lane": None}, ["lane=None", "of type str, not NoneType"]),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_a_wrong_value_names_value_rule_and_remedy(given: dict[str, object], said: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**given)
    for text in said:
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["opt13b", "13b", "_x", "OPT_13B"])
def test_a_name_of_letters_digits_and_underscores_is_taken(name: str) -> None:
    assert Settings(model_name=name).model_name == name


def test_degree_24_is_refused_under_the_articles_rules() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(profile="seed-0.21", tensor_parallel_degree=24)
    assert "40 attention heads" in str(caught.value)
    assert "2, 4, 8" in str(caught.value)


def test_degree_24_is_accepted_where_heads_are_padded() -> None:
    assert Settings(profile="djl-0.25", tensor_parallel_degree=24).tensor_parallel_degree == 24


@pytest.mark.parametrize("profile", ["seed-0.21", "djl-0.25"])
def test_degree_3_is_refused_in_every_profile(profile: str) -> None:
    with pytest.raises(SettingsError, match="tensor_parallel_degree=3"):
        Settings(profile=profile, tensor_parallel_degree=3)


@pytest.mark.parametrize("degree", [1, 2, 4, 8])
@pytest.mark.parametrize("profile", ["seed-0.21", "djl-0.25"])
def test_the_degrees_that_divide_40_heads_are_accepted_in_every_profile(profile: str, degree: int) -> None:
    assert Settings(profile=profile, tensor_parallel_degree=degree).tensor_parallel_degree == degree


def test_two_broken_rules_are_both_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(profile="seed-0.21", tensor_parallel_degree=48)
    assert "48 NeuronCores and 24 are visible" in str(caught.value)
    assert "40 attention heads" in str(caught.value)


def test_settings_cannot_be_changed_after_the_check() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 9  # type: ignore[misc]


def test_a_notebooks_variables_become_settings_and_the_rest_is_ignored() -> None:
    settings = Settings.from_notebook({"port": 8083, "batch_size": 1, "In": [""], "json": object()})
    assert settings == Settings(port=8083, batch_size=1)


def test_environment_wins_over_the_parameters_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INF2LAB_PORT", "8082")
    monkeypatch.setenv("INF2LAB_PROFILE", "seed-0.21")
    assert Settings.from_notebook({"port": 8080}) == Settings(port=8082, profile="seed-0.21")


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INF2LAB_PORT", "8082")
    variables = {"port": 9001, "In": ["", "port: int = 8080", INJECTED]}
    assert Settings.from_notebook(variables).port == 9001


def test_an_environment_value_of_the_wrong_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INF2LAB_PORT", "http")
    with pytest.raises(SettingsError, match="port='http': the environment's value must be of type int"):
        Settings.from_notebook({})


def test_an_argument_that_is_no_parameter_suggests_a_close_match() -> None:
    history = ["", "port: int = 8080", "# Parameters\ntensor_paralel_degree = 8\n"]
    with pytest.raises(SettingsError) as caught:
        Settings.from_notebook({"tensor_paralel_degree": 8, "In": history})
    assert "tensor_paralel_degree=8: no such parameter" in str(caught.value)
    assert "did you mean `tensor_parallel_degree`?" in str(caught.value)
    assert "known: lane, profile" in str(caught.value)


def test_an_argument_like_nothing_known_lists_the_parameters() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_notebook({"In": ["# Parameters\nzzz = 1\n"]})
    assert "did you mean" not in str(caught.value)
    assert "known: lane, profile" in str(caught.value)


def test_a_notebooks_own_parameters_may_be_arguments_and_are_suggested_too() -> None:
    variables = {"port": 8080, "seq_length": 64, "In": ["# Parameters\nseq_length = 64\n"]}
    assert Settings.from_notebook(variables, also=["seq_length"]) == Settings()
    with pytest.raises(SettingsError, match="seq_length=64: no such parameter"):
        Settings.from_notebook(variables)
    with pytest.raises(SettingsError, match="did you mean `seq_length`"):
        Settings.from_notebook({"In": ["# Parameters\nseq_lenght = 64\n"]}, also=["seq_length"])


def test_an_argument_of_the_wrong_type_is_named() -> None:
    with pytest.raises(SettingsError, match="port='9001': must be of type int, not str"):
        Settings.from_notebook({"port": "9001", "In": ['# Parameters\nport = "9001"\n']})


def test_cells_run_again_and_other_variables_do_not_trip_it() -> None:
    history = ["", "port: int = 8080", INJECTED, "lane = 'x'", "%time 1", "port: int = 8080", INJECTED]
    assert Settings.from_notebook({"port": 9001, "answer": 42, "In": history}).port == 9001


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        ([], set()),
        (["", "lane = 'inf2'"], set()),
        (["# Parameters\nlane = 'inf2'\nport: int = 1\n"], {"lane", "port"}),
        (["# Parameters\nlane = 'inf2'", "# Parameters\nport = 1"], {"lane", "port"}),
        (["# Parameters\n"], set()),
        (["# Parameters of the plot\n%matplotlib inline\nwidth = 3"], set()),
    ],
)
def test_only_injected_cells_count(cells: list[str], names: set[str]) -> None:
    assert injected_names(cells) == names


def test_a_model_of_this_repository_stands_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"model_type": "opt", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"ffn_dim": 256, "vocab_size": 512, "max_position_embeddings": 128}
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("INF2LAB_ROOT", str(tmp_path))
    assert Settings(model_id="mine", n_positions=128).model.heads == 4
    with pytest.raises(SettingsError, match="128 positions"):
        Settings(model_id="mine")


def test_a_profile_that_nobody_rehearses_can_be_planned_and_is_not_started(tmp_path: Path) -> None:
    settings = Settings(profile="lmi-0.30", tensor_parallel_degree=12)
    assert settings.generation.name == "0.8"
    (tmp_path / "model.py").write_text("def handle(inputs): return None\n")
    with pytest.raises(ServerError, match=r"lmi-0\.30 is not rehearsed"):
        Server.start(settings, tmp_path)
