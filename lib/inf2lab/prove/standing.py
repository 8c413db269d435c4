"""Where each claim about the chip stands: proved or contradicted by an evidence file, else what it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass

from inf2lab import catalog
from inf2lab.prove.evidence import Evidence, Outcome

PROVEN, CONTRADICTED = "proven", "contradicted"
BASES = {"documented": "documented by AWS", "reasoned": "reasoned"}
_SHOWS = {Outcome.PASSED: PROVEN, Outcome.FAILED: CONTRADICTED}


@dataclass(frozen=True)
class Standing:
    """One claim, how it stands, and what says so: the evidence's file, or the source."""

    claim: str
    said_in: tuple[str, ...]
    status: str
    by: str

    @property
    def shown(self) -> bool:
        """Whether somebody has seen it on the chip, holding or not."""
        return self.status in (PROVEN, CONTRADICTED)


def standings(evidence: Mapping[str, Evidence]) -> list[Standing]:
    """Return every claim of the catalog as it stands by these files, the oldest first: the newest decides.

    Only what was proved of the default profile counts: that is the one which the texts speak of.
    """
    shown: dict[str, tuple[str, str]] = {}
    for name, one in evidence.items():
        if one.profile == catalog.default_profile():
            rented = one.steps[0].outcome is Outcome.PASSED
            for step in one.steps if rented else ():  # else a sweep had nothing to find
                if step.outcome in _SHOWS:
                    shown[step.step] = _SHOWS[step.outcome], name
    return [_standing(row, shown) for row in catalog.claims()]


def _standing(row: catalog.Claim, shown: Mapping[str, tuple[str, str]]) -> Standing:
    status, by = shown.get(row.step, (BASES[row.basis], row.source))
    return Standing(row.claim, row.said_in, status, by)
