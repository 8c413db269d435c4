"""The environment decides the generation and the cores (facts, section 7)."""

from __future__ import annotations

import pytest
from emulated_neuron.environment import RehearsalSettingError, read_environment


@pytest.mark.parametrize(
    ("environ", "visible"),
    [
        ({}, range(24)),
        ({"REHEARSAL_NEURON_CORES": "2"}, range(2)),
        ({"NEURON_RT_NUM_CORES": "8"}, range(8)),
        ({"NEURON_RT_NUM_CORES": "0"}, range(24)),
        ({"NEURON_RT_VISIBLE_CORES": "4-7"}, range(4, 8)),
        ({"NEURON_RT_VISIBLE_CORES": "3"}, range(3, 4)),
        ({"NEURON_RT_VISIBLE_CORES": "4-7", "NEURON_RT_NUM_CORES": "12"}, range(4, 8)),  # the former wins
    ],
)
def test_visible_cores(environ: dict[str, str], visible: range) -> None:
    assert read_environment(environ).visible == visible


def test_default_generation_is_that_of_the_default_profile() -> None:
    assert read_environment({}).generation.name == "0.8"
    assert read_environment({"REHEARSAL_TNX_GENERATION": "0.2"}).generation.name == "0.2"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"REHEARSAL_TNX_GENERATION": "1.0"}, "'1.0'"),
        ({"REHEARSAL_NEURON_CORES": "many"}, "REHEARSAL_NEURON_CORES='many'"),
        ({"REHEARSAL_NEURON_FAMILY": "inf1"}, "'inf1'"),
        ({"NEURON_RT_VISIBLE_CORES": "0,2"}, "'0,2'"),
        ({"NEURON_VOCAB_PAD_DIVISOR": "x"}, "NEURON_VOCAB_PAD_DIVISOR='x'"),
        ({"NEURON_VOCAB_PAD_DIVISOR": "0"}, "NEURON_VOCAB_PAD_DIVISOR='0'"),
    ],
)
def test_wrong_values_name_themselves(environ: dict[str, str], named: str) -> None:
    with pytest.raises(RehearsalSettingError, match=named):
        read_environment(environ)


def test_cores_that_the_instance_lacks_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"22-25.*has 24 \(0-23\)"):
        read_environment({"NEURON_RT_VISIBLE_CORES": "22-25"})


# Facts, sections 5 and 6: both came after 0.2.
@pytest.mark.parametrize(("generation", "expected"), [("0.2", (1, False)), ("0.8", (512, True))])
def test_settings_that_only_later_generations_know(generation: str, expected: tuple[int, bool]) -> None:
    environment = read_environment(
        {
            "REHEARSAL_TNX_GENERATION": generation,
            "NEURON_VOCAB_PAD_DIVISOR": "512",
            "NEURON_INTERNAL_ASSUME_ALL_PROMPT_LENGTHS_ARE_EQUAL": "1",
        }
    )
    assert (environment.vocab_divisor, environment.equal_prompts) == expected
