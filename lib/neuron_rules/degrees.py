"""Whether a tensor parallel degree is legal, rule by rule, each with a sentence that a person can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .dims import ModelDims
from .errors import UnknownName
from .generations import Generation
from .padding import padded_heads, pads_heads

Rule = Literal["cores", "degree", "heads"]


@dataclass(frozen=True)
class Reason:
    """One rule that a degree breaks: which, what is `said` of the values, and the `remedy`."""

    rule: Rule
    said: str
    remedy: str

    @property
    def text(self) -> str:
        """Both in one sentence."""
        return f"{self.said}: {self.remedy}"


@dataclass(frozen=True)
class DegreeCheck:
    """The verdict on one degree: every broken rule or, where legal, notes on what it costs or rests on."""

    degree: int
    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return not self.reasons


def check_degree(
    degree: int, dims: ModelDims, *, generation: Generation, cores: int, family: str = "inf2"
) -> DegreeCheck:
    """Check `degree` against visible cores, the runtime's list and the model's heads; raises UnknownName."""
    checks = (
        check_cores(degree, cores),
        check_listed(degree, generation, family),
        check_heads(degree, dims, generation),
    )
    reasons = tuple(reason for check in checks for reason in check.reasons)
    notes = () if reasons else tuple(note for check in checks for note in check.notes)
    return DegreeCheck(degree, reasons, notes)


def check_cores(degree: int, cores: int) -> DegreeCheck:
    """A worker needs as many visible NeuronCores as its degree."""
    if 1 <= degree <= cores:
        return DegreeCheck(degree)
    said = f"tensor parallel degree {degree} needs {degree} NeuronCores and {cores} are visible"
    remedy = f"use a degree from 1 to {cores}, or an instance with more cores"
    return DegreeCheck(degree, (Reason("cores", said, remedy),))


def check_listed(degree: int, generation: Generation, family: str) -> DegreeCheck:
    """The runtime builds collectives only for certain numbers of cores, which the documentation lists."""
    try:
        documented = generation.documented_degrees[family]
    except KeyError:
        raise UnknownName("instance family", family, generation.documented_degrees) from None
    if degree in documented:
        return DegreeCheck(degree)
    even = family in generation.even_degrees
    multiple = generation.degrees_multiple_of.get(family)
    if degree > 0 and ((even and degree % 2 == 0) or (multiple and degree % multiple == 0)):
        accepted = "any even number of consecutive cores" if even else f"multiples of {multiple}"
        note = (
            f"degree {degree} is not in the documented list ({_list(documented)}) for {family}; "
            f"later runtimes accept {accepted}"
        )
        return DegreeCheck(degree, notes=(note,))
    accepted = f"{_list(documented)}{' or another even number' if even else ''}"
    said = f"tensor parallel degree {degree} is not supported by the Neuron runtime on {family}"
    return DegreeCheck(degree, (Reason("degree", said, f"use {accepted}"),))


def check_heads(degree: int, dims: ModelDims, generation: Generation) -> DegreeCheck:
    """Cores hold whole attention heads: the degree divides them, or they are padded to a multiple of it."""
    if degree < 1 or dims.heads % degree == 0:
        return DegreeCheck(degree)
    title = dims.family.title
    if pads_heads(dims, generation):
        heads = padded_heads(dims, degree, generation)
        waste = (heads - dims.heads) / heads
        note = (
            f"{dims.heads} attention heads are padded to {heads} at degree {degree}: "
            f"{waste:.0%} of the attention weights and of the KV cache is padding"
        )
        return DegreeCheck(degree, notes=(note,))
    documented = {d for degrees in generation.documented_degrees.values() for d in degrees}
    divisors = _list(d for d in sorted(documented) if dims.heads % d == 0)
    said = (
        f"{dims.heads} attention heads cannot be divided by tensor parallel degree {degree}, and generation "
        f"{generation.name} does not pad {title}'s heads"
    )
    return DegreeCheck(degree, (Reason("heads", said, f"use one that divides {dims.heads} ({divisors})"),))


def _list(degrees: Iterable[int]) -> str:
    return ", ".join(map(str, degrees))
