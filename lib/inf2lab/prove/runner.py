"""One proof: rent, ask step by step, stop at the first that fails, sweep in any case, and write down what was seen."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from inf2lab import aws
from inf2lab.errors import LabError
from inf2lab.files import check_place
from inf2lab.prove.evidence import SHOWN_LINES, Evidence, Outcome, Shown, evidence_folder, write_evidence
from inf2lab.prove.proof_plan import ProofPlan
from inf2lab.prove.site import Refuted, Site
from inf2lab.prove.steps import CLEAN_UP, LAUNCH, STEPS, Step
from inf2lab.words import Report, unfailing

SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


@dataclass
class _Proof:
    """One proof under way: its steps so far, and the site once there is one."""

    cloud: aws.Cloud
    plan: ProofPlan
    report: Report
    began: aws.Moment
    shown: list[Shown] = field(default_factory=list)

    def ask_all(self, *, another: bool) -> None:
        """Rent and ask every step; ends at the first that does not pass."""
        ends = self.began + timedelta(minutes=self.plan.max_minutes)
        launched = self.step(LAUNCH, lambda: self.launch(another))
        if launched is None:
            return
        site = Site(self.cloud, self.plan, launched, ends)
        for step in STEPS:
            site.begin()
            if self.step(step, partial(_ask, step, site), site) is None:
                return

    def launch(self, another: bool) -> str:
        """Rent the instance, and return its id."""
        launched = aws.launch(
            self.cloud, self.plan.request, confirm=True, another=another, tunnel=False, report=self.report
        )
        run = launched.run
        assert run is not None  # only a dry run has none
        return run.instance_id

    def step(self, step: Step, check: Callable[[], str], site: Site | None = None) -> str | None:
        """Return what the check gives, or None where it does not pass; notes what came of it. An interrupt goes on."""
        begun, outcome, said, value = self.cloud.now(), Outcome.STOPPED, "", None
        try:
            value = check()
            outcome = Outcome.PASSED
        except Refuted as error:
            outcome, said = Outcome.FAILED, str(error)
        except LabError as error:
            said = str(error)
        except BaseException as error:
            said = f"interrupted ({type(error).__name__})"
            raise
        finally:
            seconds = round((self.cloud.now() - begun).total_seconds())
            shown = Shown(step.name, step.asks, outcome, said, seconds)
            if site:
                lines = tuple(site.seen[-SHOWN_LINES:])
                shown = replace(shown, found=dict(site.found), predicted=dict(site.predicted), seen=lines)
            self.shown.append(shown)
            self.report(f"{outcome:8} {step.asks}{f': {said}' if said else ''}")
        return value

    def sweep(self) -> None:
        """End everything of this run, and note whether nothing is left; waits as long as a sweep does."""
        run = next((one for one in aws.all_runs() if one.id == self.plan.request.run), None)
        if run is None:  # it was refused before anything was written down
            return
        self.report = unfailing(self.report)
        self.step(CLEAN_UP, lambda: self._swept(run))

    def _swept(self, run: aws.Run) -> str:
        swept = aws.sweep(self.cloud, [run], report=self.report)
        if not swept.clean:
            raise Refuted(str(swept))
        return "clean"

    def evidence(self) -> Evidence:
        """Return what was seen until now, with the steps that were not reached."""
        plan, request, ended = self.plan, self.plan.request, self.cloud.now()
        reached = {shown.step for shown in self.shown}
        rest = [Shown(step.name, step.asks, Outcome.NOT_REACHED) for step in STEPS if step.name not in reached]
        clean_up = [shown for shown in self.shown if shown.step == CLEAN_UP.name]
        steps = [shown for shown in self.shown if shown.step != CLEAN_UP.name] + rest + clean_up
        minutes = (ended - self.began).total_seconds() / 60
        return Evidence(
            date=f"{self.began:%Y-%m-%d}",
            profile=plan.settings.profile,
            instance=request.instance,
            region=request.region,
            model=plan.settings.model_id,
            image=plan.line.image,
            machine_image=request.image.name,
            minutes=round(minutes),
            usd=round(plan.price.usd_per_hour * minutes / 60, 2),
            steps=tuple(steps),
        )

    def identities(self) -> Iterator[str]:
        """Yield every word of this account and this person that must not be told."""
        yield self.cloud.account
        yield self.plan.request.run
        yield from (os.environ.get(name, "") for name in SECRETS)
        if run := aws.run_on_record(self.plan.request.run):
            yield run.instance_id
            yield from run.volumes


def _ask(step: Step, site: Site) -> str:
    step.check(site)
    return step.name


def prove(
    cloud: aws.Cloud, plan: ProofPlan, *, another: bool = False, folder: Path | None = None, report: Report = print
) -> tuple[Evidence, Path]:
    """Rent, ask, sweep, and return the evidence and its file (in `folder`, else docs/evidence).

    What a step finds is in the evidence and raises nothing. An interrupt sweeps and writes too, then goes on.
    """
    check_place((folder or evidence_folder()) / "evidence.json")  # what cannot be written down is not rented for
    proof = _Proof(cloud, plan, report, cloud.now())
    try:
        proof.ask_all(another=another)
    finally:
        try:
            proof.sweep()
        finally:
            evidence = proof.evidence()
            path = write_evidence(evidence, folder or evidence_folder(), proof.identities())
    return evidence, path
