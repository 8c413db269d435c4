"""Which NeuronCores a process may use, and how a server divides an instance's cores among its workers."""

from __future__ import annotations

import re

from .errors import NeuronRulesError


def parse_visible_cores(text: str) -> range:
    """The cores that NEURON_RT_VISIBLE_CORES names: `n`, or `a-b` with both ends; raises NeuronRulesError."""
    match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
    if last < first:
        raise NeuronRulesError(f"NEURON_RT_VISIBLE_CORES={text!r}: write one core (`4`) or a range (`4-7`)")
    return range(first, last + 1)


def core_groups(cores: int, degree: int) -> tuple[range, ...]:
    """The consecutive cores of each worker: 24 at degree 8 make 0-7, 8-15, 16-23; a remainder stays idle."""
    return tuple(range(start, start + degree) for start in range(0, cores - degree + 1, degree))
