"""inf2lab.folder.merge: variables of the container beside serving.properties, by the precedence of each release."""

from __future__ import annotations

import pytest

from inf2lab.folder import Variable, key_of, merge, parse_properties

TEXT = "option.dtype=fp16\n"


def given(release: tuple[int, ...], text: str = TEXT, **variables: str) -> dict[str, str]:
    """What the variables add to the file, by key."""
    found = [Variable(name, value, "run.sh", number) for number, (name, value) in enumerate(variables.items(), 1)]
    return {entry.key: entry.value for entry in merge(parse_properties(text), found, release).given}


@pytest.mark.parametrize(
    ("name", "release", "key"),
    [
        ("OPTION_N_POSITIONS", (0, 23, 0), None),
        ("OPTION_N_POSITIONS", (0, 24, 0), "option.n_positions"),
        ("OPTION_ENTRYPOINT", (0, 24, 0), "option.entrypoint"),
        ("OPTION_ENTRYPOINT", (0, 25, 0), "option.entryPoint"),
        ("OPTION_ENGINE", (0, 26, 0), "option.engine"),
        ("OPTION_ENGINE", (0, 27, 0), "engine"),
        ("OPTION_entryPoint", (0, 27, 0), "option.entryPoint"),
        ("OPTION_pythonExecutable", (0, 27, 0), "option.pythonexecutable"),
        ("OPTION_pythonExecutable", (0, 28, 0), "option.pythonExecutable"),
        ("DTYPE", (0, 25, 0), None),
    ],
)
def test_a_variable_becomes_the_key_that_the_release_makes_of_it(
    name: str, release: tuple[int, ...], key: str | None
) -> None:
    assert key_of(name, release) == key


def test_the_file_wins_over_the_environment() -> None:
    found = merge(parse_properties(TEXT), [Variable("OPTION_DTYPE", "bf16", "run.sh", 3)], (0, 25, 0))
    entry = found.last("option.dtype")
    assert entry is not None
    assert (entry.value, entry.file) == ("fp16", "serving.properties")
    assert [each.written for each in found.effective()] == ["option.dtype"]


def test_an_option_wins_over_the_plain_variable_and_says_where_it_stands() -> None:
    variables = [
        Variable("TENSOR_PARALLEL_DEGREE", "8", "run.sh", 2),
        Variable("OPTION_TENSOR_PARALLEL_DEGREE", "4", "run.sh", 3),
    ]
    entry = merge(parse_properties(TEXT), variables, (0, 25, 0)).last("option.tensor_parallel_degree")
    assert entry is not None
    assert (entry.value, entry.written, entry.file, entry.line) == ("4", "OPTION_TENSOR_PARALLEL_DEGREE", "run.sh", 3)


def test_before_0_24_only_the_plain_variables_are_read() -> None:
    found = given((0, 21, 0), TENSOR_PARALLEL_DEGREE="2", OPTION_N_POSITIONS="512", HF_MODEL_ID="gpt2")
    assert found == {"option.tensor_parallel_degree": "2"}


def test_an_empty_variable_is_a_value_in_0_24_only() -> None:
    assert given((0, 24, 0), OPTION_REVISION="") == {"option.revision": ""}
    assert given((0, 25, 0), OPTION_REVISION="") == {}


def test_the_servers_variables_are_defaults_of_every_folder() -> None:
    assert given((0, 25, 0), SERVING_BATCH_SIZE="4", SERVING_MANAGEMENT_ADDRESS="x") == {"batch_size": "4"}
    assert given((0, 25, 0), SERVING_RESERVED_MEMORY_MB="9") == {"reserved_memory_mb": "9"}


def test_a_value_that_is_given_elsewhere_is_known_to_be_given() -> None:
    merged = merge(parse_properties(""), [Variable("OPTION_MODEL_ID", "", "run.sh", 1, known=False)], (0, 25, 0))
    assert merged.last("option.model_id") is not None
