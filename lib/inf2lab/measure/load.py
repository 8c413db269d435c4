"""What a load is: closed (clients that wait for their answers) or open (arrivals that wait for nobody)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from inf2lab.errors import SettingsError
from inf2lab.words import plural

ARRIVALS = ("poisson", "even")


@dataclass(frozen=True, kw_only=True)
class Load:
    """One load: so many clients or such a rate, for so many requests or seconds.

    Closed loop: each client sends its next request when its last one is answered. Open loop (`rate` is given):
    requests arrive by the clock, and a late answer delays none of them; latency counts from the arrival.
    """

    clients: int = 1
    rate: float | None = None  # requests a second
    requests: int | None = None
    seconds: float | None = None
    arrivals: str = "poisson"
    warm_up: int = 1  # requests that are sent first and not counted
    seed: int = 0
    timeout_s: float = 360
    in_flight: int = 512  # connections of an open loop; those beyond it wait, and their waiting counts
    processes: int = 1

    def __post_init__(self) -> None:
        if (self.requests is None) == (self.seconds is None):
            raise SettingsError("requests", self.requests, "give a number of requests or of seconds, one of the two")
        least = {"clients": 1, "requests": 1, "warm_up": 0, "in_flight": 1, "processes": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise SettingsError(name, value, f"must be {bound} or more")
        for name in ("rate", "seconds", "timeout_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise SettingsError(name, value, "must be above 0")
        if self.arrivals not in ARRIVALS:
            raise SettingsError("arrivals", self.arrivals, f"use one of {', '.join(ARRIVALS)}")

    @property
    def open(self) -> bool:
        """Whether requests arrive by the clock."""
        return self.rate is not None

    @property
    def title(self) -> str:
        """The load in a few words, for legends."""
        if self.rate is not None:
            return f"{self.rate:g} requests/s"
        return plural(self.clients, "client")

    def schedule(self) -> list[float]:
        """Return the arrival times of an open loop in seconds from its start, the same for the same seed."""
        if self.rate is None:
            return []
        rng = random.Random(f"arrivals:{self.seed}")
        times: list[float] = []
        at = 0.0
        while True:
            if self.seconds is not None and at >= self.seconds:
                return times
            if self.requests is not None and len(times) == self.requests:
                return times
            times.append(at)
            at += rng.expovariate(self.rate) if self.arrivals == "poisson" else 1 / self.rate
