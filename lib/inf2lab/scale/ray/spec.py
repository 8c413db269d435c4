"""What a Ray Serve application must know of a model folder and its lane: one plain, checked set of values.

It crosses into Ray's own environment as JSON, and into KubeRay's manifest as `args`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

from inf2lab.folder import ModelFolder, Needs
from inf2lab.settings import Settings

CORES = "neuron_cores"  # Ray's own name for the resource: it sets NEURON_RT_VISIBLE_CORES for who asks for it
LIVES, FAILED = ".json", ".failed"  # how the files end in which a replica says who it is, or why it did not load
DRAIN_S = 30  # beyond the longest answer, before a replica that was told to end is killed


@dataclass(frozen=True, kw_only=True)
class Autoscaling:
    """How quickly the number of replicas follows the load; all in seconds."""

    upscale_delay_s: float
    downscale_delay_s: float
    look_back_s: float
    interval_s: float
    health_period_s: float
    health_timeout_s: float


# A copy on the chip loads for minutes: waiting a little costs less than loading one that nobody needs.
ON_THE_CHIP = Autoscaling(
    upscale_delay_s=30, downscale_delay_s=600, look_back_s=30, interval_s=10, health_period_s=10, health_timeout_s=30
)
# The rehearsal loads in seconds. Trap: the default health check (10 s, 30 s) notices a dead server late.
REHEARSED = Autoscaling(
    upscale_delay_s=1, downscale_delay_s=3, look_back_s=2, interval_s=0.5, health_period_s=2, health_timeout_s=30
)


@dataclass(frozen=True, kw_only=True)
class RaySpec:
    """One application. `url` is a server that somebody else operates; empty: each replica starts the lane's own."""

    folder: str
    model: str
    settings: dict[str, Any]
    neuron_cores: int  # of one replica
    max_ongoing: int  # requests that one replica's server works on at once
    longest_answer_s: float
    loading_s: float  # until all of one replica's workers have loaded, or given up
    min_replicas: int = 1
    max_replicas: int = 7
    shutdown_s: float | None = None  # to finish what is being answered; None: the longest answer and DRAIN_S
    url: str = ""
    python: str = ""  # of the laboratory's environment, which runs the rehearsal's server
    notes: str = ""  # folder where each replica writes who it is; empty: nowhere
    scratch: str = ""  # folder for the rehearsal servers' temporary files
    loopback: bool = False  # all nodes are on this machine, and nobody else may reach them
    pace: Autoscaling = REHEARSED

    @classmethod
    def of(cls, settings: Settings, folder: ModelFolder, **choices: Any) -> RaySpec:
        """Return the application of a folder; raises ServerError, SettingsError or FolderError.

        `choices` replace any other field.
        """
        folder.check()
        needs = Needs(settings, folder)
        derived: dict[str, Any] = {
            "folder": str(folder.path),
            "model": folder.name,
            "settings": dataclasses.asdict(settings),
            "neuron_cores": needs.cores,
            "max_ongoing": needs.at_once(needs.workers),
            "longest_answer_s": float(needs.predict_s),
            "loading_s": float(needs.all_loaded_s(needs.workers)),
            "pace": REHEARSED if settings.lane == "rehearsal" else ON_THE_CHIP,
        }
        return cls(**(derived | choices))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RaySpec:
        """Return the application that `as_dict` described."""
        return cls(**(values | {"pace": Autoscaling(**values["pace"])}))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON and a manifest hold them."""
        return dataclasses.asdict(self)

    def for_replicas(self) -> dict[str, Any]:
        """Return plain values for the replicas, in which only what concerns the deployment has its default.

        Serve restarts every replica when these change; another number of replicas or time-out must not.
        """
        kept = ("min_replicas", "max_replicas", "shutdown_s", "pace")
        still: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(self) if field.name in kept}
        return replace(self, **still, max_ongoing=1, longest_answer_s=0.0).as_dict()

    @property
    def deployment_options(self) -> dict[str, Any]:
        """Return the options of Serve's deployment, each where Ray's default would hurt."""
        return {
            "name": self.model,
            "ray_actor_options": {"num_cpus": 0, "resources": {CORES: self.neuron_cores}},
            # Trap: the default of 5 would leave a batch half empty, or queue where nobody can scale on it.
            "max_ongoing_requests": self.max_ongoing,
            # Trap: while all are full Serve pauses between two looks, for up to 0.5 s; a free replica stands idle.
            "request_router_config": {"max_backoff_s": 0.05},
            "autoscaling_config": {
                "min_replicas": self.min_replicas,
                "max_replicas": self.max_replicas,
                "target_ongoing_requests": self.max_ongoing,
                "upscale_delay_s": self.pace.upscale_delay_s,
                "downscale_delay_s": self.pace.downscale_delay_s,
                "look_back_period_s": self.pace.look_back_s,
                "metrics_interval_s": self.pace.interval_s,
            },
            "health_check_period_s": self.pace.health_period_s,
            "health_check_timeout_s": self.pace.health_timeout_s,
            # Trap: the default of 20 s cuts every longer answer short when the number of replicas falls.
            "graceful_shutdown_timeout_s": self.shutdown_s or self.longest_answer_s + DRAIN_S,
            "graceful_shutdown_wait_loop_s": 0.5,
        }
