"""Every degree of an instance judged: which are legal, which of them are documented, and why the others are not."""

from collections.abc import Mapping
from dataclasses import dataclass

from inf2lab.planning.request import Request
from neuron_rules import DegreeCheck, check_degree


@dataclass(frozen=True)
class Degrees:
    """Verdicts on 1 to all cores of the instance, and on the degree that was asked for."""

    asked: DegreeCheck
    checks: tuple[DegreeCheck, ...]
    documented: tuple[int, ...]  # legal here, and in the documentation's list

    @property
    def legal(self) -> tuple[int, ...]:
        """Degrees that no rule forbids; those beyond `documented` rest on what later runtimes accept."""
        return tuple(check.degree for check in self.checks if check.ok)

    @property
    def reasons(self) -> Mapping[int, str]:
        """Why each of the others is illegal, and what to use."""
        return {check.degree: "; ".join(r.text for r in check.reasons) for check in self.checks if not check.ok}

    @property
    def said(self) -> Mapping[int, str]:
        """The first reason why each of the others is illegal, in short."""
        return {check.degree: check.reasons[0].said for check in self.checks if not check.ok}


def judge_degrees(request: Request) -> Degrees:
    """Return the verdicts on every degree of the request's instance."""
    hardware, generation = request.hardware, request.generation
    wanted = sorted({*range(1, hardware.cores + 1), request.tensor_parallel_degree})
    checks = {degree: check(request, degree) for degree in wanted}
    listed = generation.documented_degrees[hardware.family]
    documented = tuple(degree for degree in wanted if checks[degree].ok and degree in listed)
    return Degrees(checks[request.tensor_parallel_degree], tuple(checks.values()), documented)


def check(request: Request, degree: int) -> DegreeCheck:
    """Return the verdict on one degree of the request's instance."""
    hardware = request.hardware
    return check_degree(
        degree, request.model, generation=request.generation, cores=hardware.cores, family=hardware.family
    )
