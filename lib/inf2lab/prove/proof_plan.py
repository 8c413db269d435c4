"""What a proof will do, how long it may take and what it may cost: all of it before anything is rented."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from inf2lab import aws, catalog, planning
from inf2lab.errors import LabError, SettingsError
from inf2lab.folder import ModelFolder
from inf2lab.planning import Plan, plan_of
from inf2lab.prove.steps import STEPS
from inf2lab.prove.subject import MODEL, NAME, POSITIONS, write_folder
from inf2lab.serving import RunLine, require_image
from inf2lab.settings import Settings

DISK_GIB = 100
BOOT_MINUTES, END_MINUTES = 6, 4  # planned, not measured: first boot until it answers; the sweep


@dataclass(frozen=True)
class ProofPlan:
    """One proof, priced: the request, the folder that is served, the caps, and every step with its planned minutes."""

    settings: Settings
    folder: ModelFolder
    request: aws.LaunchRequest
    price: aws.PriceTable
    max_usd: float
    max_minutes: int

    @cached_property
    def forecast(self) -> Plan:
        """What is planned of the folder: memory and time a token."""
        return plan_of(self.folder, self.settings)

    @property
    def home(self) -> Path:
        """Where the clone lies on the instance."""
        return Path("/home") / self.request.image.user / "inf2lab"

    @property
    def line(self) -> RunLine:
        """The container's command, as the chip's lane has it."""
        settings = self.settings
        logs = self.home / "logs" / f"server-{settings.port}"
        return RunLine(settings, self.folder, logs, settings.image or settings.stack.image, home=self.home)

    @property
    def minutes(self) -> int:
        """Minutes that it is planned to take, with the slowest load that the planner expects."""
        load = math.ceil(planning.loading(self.forecast.request).seconds.high / 60)
        return BOOT_MINUTES + sum(step.minutes for step in STEPS) + load + END_MINUTES

    def check(self) -> None:
        """Raise SettingsError where the plan is beyond a cap; nothing was rented."""
        if self.minutes > self.max_minutes:
            reason = f"the steps are planned to take {self.minutes} minutes: allow that many (--max-minutes)"
            raise SettingsError("max_minutes", self.max_minutes, reason)
        if math.isnan(self.price.usd) or self.price.usd > self.max_usd:
            most = f"{self.price.usd:.2f} USD until {self.request.deadline}, when it ends without us"
            raise SettingsError("max_usd", self.max_usd, f"it may cost {most}: allow that much (--max-usd)")

    def __str__(self) -> str:
        price, planned = self.price, self.price.usd_per_hour * self.minutes / 60
        lines = [
            f"prove {self.settings.profile} on {self.request.instance} in {self.request.region}",
            f"model     {MODEL}, served as models/{self.folder.path.name} from {self.line.image}",
            f"takes     about {self.minutes} min as planned; stops at {self.max_minutes} min",
            f"costs     {planned:.2f} USD as planned, at most {price.usd:.2f}: it ends by itself at {price.deadline}",
            "steps     it stops at the first that fails, and always sweeps",
        ]
        lines += [f"  {number:2}  {step.asks}" for number, step in enumerate(STEPS, 1)]
        return "\n".join(lines)


def plan_proof(
    cloud: aws.Cloud, settings: Settings, store: Path, *, instance: str = "", max_usd: float, max_minutes: int
) -> ProofPlan:
    """Return the plan of a proof; its folder is written into `store`. Raises SettingsError beyond a cap, CloudError.

    Without an instance the cheapest that serves the model is taken. Nothing is rented.
    """
    if max_minutes < 1 or not 0 < max_usd < math.inf:  # NaN is no cap
        raise SettingsError("max_minutes, max_usd", f"{max_minutes}, {max_usd}", "must be above 0")
    chosen = replace(settings, model_id=MODEL, model_name=NAME, n_positions=POSITIONS)
    folder = write_folder(chosen, store)
    chosen = replace(chosen, instance=instance or smallest_instance(chosen, folder))
    offered = aws.offering(cloud, chosen.instance)
    image = aws.look_up_image(cloud, profile=settings.profile)
    hours = math.ceil(max_minutes / 60)
    request = aws.launch_request(cloud, chosen.instance, image, hours=hours, offered=offered, disk_gib=DISK_GIB)
    planned = ProofPlan(chosen, folder, request, aws.price_table(cloud, request), max_usd, max_minutes)
    planned.check()
    if cloud.live:
        require_image(chosen, cloud.region)
    return planned


def smallest_instance(settings: Settings, folder: ModelFolder) -> str:
    """Return the cheapest instance of the family that serves the folder by plan; raises LabError if none does."""
    priced = [row for row in catalog.instances().values() if row.family == "inf2" and row.usd_per_hour]
    for row in sorted(priced, key=lambda row: row.usd_per_hour or 0):
        planned = plan_of(folder, replace(settings, instance=row.name))
        if not planned.problems and planned.host.peak_gib <= planned.host.instance_gib:
            return row.name
    raise LabError(f"no inf2 instance serves {MODEL} by plan: see `inf2lab plan --model {MODEL}`")
