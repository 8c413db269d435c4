"""What a load is: closed (clients that wait for their answers) or open (arrivals that wait for nobody)."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from inf2lab.endpoint import patience_s
from inf2lab.errors import SettingsError
from inf2lab.planning import poisson
from inf2lab.words import plural

ARRIVALS = ("poisson", "even")
MOST = 10_000_000  # requests of a load: each is kept
_BOUNDS = {
    "clients": (1, 10_000),
    "requests": (1, MOST),
    "warm_up": (0, MOST),
    "in_flight": (1, 10_000),
    "processes": (1, 256),
}


@dataclass(frozen=True, kw_only=True)
class Load:
    """One load: so many clients or such a rate, for so many requests or seconds.

    Closed loop: each client sends its next request when its last one is answered. Open loop (`rate` is given):
    requests arrive by the clock, and a late answer delays none of them; latency counts from the arrival.
    """

    clients: int = 1
    rate: float | None = None  # requests a second
    requests: int | None = None
    seconds: float | None = None  # infinite: clients go on until who asked for them ends them
    arrivals: str = "poisson"
    warm_up: int = 1  # requests that are sent first and not counted
    seed: int = 0
    timeout_s: float = field(default_factory=patience_s)
    in_flight: int = 512  # connections of an open loop; those beyond it wait, and their waiting counts
    processes: int = 1

    def __post_init__(self) -> None:
        if (self.requests is None) == (self.seconds is None):
            raise SettingsError("requests", self.requests, "give a number of requests or of seconds, one of the two")
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise SettingsError(name, value, f"must be {least} or more, and at most {most}")
        for name in ("rate", "timeout_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SettingsError(name, value, "must be above 0, and finite")
        if self.seconds is not None and not self.seconds > 0:
            raise SettingsError("seconds", self.seconds, "must be above 0")
        if self.rate and self.seconds and self.rate * self.seconds > MOST:
            raise SettingsError("rate", self.rate, f"for {self.seconds:g} s is more than {MOST} requests")
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

    @property
    def loop(self) -> str:
        """Which of the two loops it is, with its title: one client and one arrival a second are no relatives."""
        return f"{'open' if self.open else 'closed'} loop, {self.title}"

    @property
    def count(self) -> int | None:
        """How many requests it sends; None where the answers decide that."""
        return self.requests or len(self.schedule()) or None

    def schedule(self) -> list[float]:
        """Return the arrival times of an open loop in seconds from its start, the same for the same seed."""
        if self.rate is None:
            return []
        times: Iterator[float] = (number / self.rate for number in itertools.count())
        if self.arrivals == "poisson":
            times = poisson(self.rate, self.seed)
        if (end := self.seconds) is not None:
            return list(itertools.takewhile(lambda at: at < end, times))
        return list(itertools.islice(times, self.requests))
