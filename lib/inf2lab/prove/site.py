"""Where a step works: the instance behind its commands, what they printed, and the time that is left."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inf2lab import aws
from inf2lab.errors import LabError

if TYPE_CHECKING:
    from inf2lab.prove.proof_plan import ProofPlan

_VALUE = re.compile(r"^([a-z_]+)=(.*)$", re.MULTILINE)


class Refuted(LabError):
    """A step has seen that its claim does not hold."""


class CapReached(LabError):
    """The minutes that were allowed are over."""


@dataclass
class Site:
    """An instance under proof. `seen` are the raw lines of the step at work; `found` and `predicted` its figures."""

    cloud: aws.Cloud
    plan: ProofPlan
    instance_id: str
    ends: aws.Moment
    seen: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    predicted: dict[str, Any] = field(default_factory=dict)

    def begin(self) -> None:
        """Forget the step before."""
        self.seen, self.found, self.predicted = [], {}, {}

    @property
    def left_s(self) -> int:
        """Seconds until the cap."""
        return int((self.ends - self.cloud.now()).total_seconds())

    def run(self, script: str, *, patience_s: int) -> aws.Ran:
        """Run a script on the instance, and keep what it prints; raises CapReached, CloudError."""
        left = self.left_s
        if left <= 0:
            raise CapReached(f"the {self.plan.max_minutes} minutes that were allowed are over (--max-minutes)")
        ran = aws.run_command(self.cloud, self.instance_id, script, patience_s=min(patience_s, max(left, 30)))
        self.seen += ran.output.splitlines() + ran.errors.splitlines()
        return ran

    def ask(self, script: str, *, patience_s: int = 120) -> dict[str, str]:
        """Return the `name=value` lines that a script prints; raises Refuted with its last words if it fails."""
        ran = self.run(script, patience_s=patience_s)
        if not ran.ok:
            raise Refuted(f"the command ended with code {ran.code}: {last_words(ran)}")
        return values(ran.output)


def tell(*names: str) -> str:
    """Return the lines of a script that print variables, for `values` to read.

    They are set before, each by a command of its own: `set -e` sees no failure inside of an `echo`.
    """
    return "".join(f'echo "{name}=${name}"\n' for name in names)


def values(text: str) -> dict[str, str]:
    """Return the `name=value` lines of a text."""
    return {name: value.strip() for name, value in _VALUE.findall(text)}


def last_words(ran: aws.Ran) -> str:
    """Return the last line that says something, of errors before others."""
    lines = [line.strip() for text in (ran.output, ran.errors) for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it printed nothing"
