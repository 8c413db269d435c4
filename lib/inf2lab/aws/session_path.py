"""The path on the chip, notebook by notebook: loads, minutes and dollars, planned before anything is rented."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from html import escape

from inf2lab import catalog, planning
from inf2lab.aws.connection import Cloud
from inf2lab.aws.images import look_up_image
from inf2lab.aws.instance import launch_request
from inf2lab.aws.prices import price_table
from inf2lab.language import translated_html
from inf2lab.planning import Plan, Range
from inf2lab.settings import Settings
from inf2lab.words import on_the_left

HEADS = ("notebook", "what bills there", "loads")


@dataclass(frozen=True)
class Stop:
    """What a notebook does while the instance bills: loads that compile, loads that find programs, minutes of work."""

    notebook: str
    what: str
    compiles: int
    warm: int
    minutes: int

    @property
    def loads(self) -> str:
        """Its loads in words."""
        kinds = ((self.compiles, "compiling"), (self.warm, "from the cache"))
        return ", ".join(f"{count} {kind}" for count, kind in kinds if count) or "none"


# Minutes are planned for somebody who has done the same in the rehearsal before; not measured.
PATH = (
    Stop("01", "launch, first boot, the container's image", 0, 0, 15),
    Stop("03", "the built-in handler, and your questions to it", 1, 0, 15),
    Stop("04", "your own handler, which compiles programs of its own", 1, 0, 15),
    Stop("05", "the server that stays", 0, 1, 10),
    Stop("06", "requests, good and bad", 0, 0, 15),
    Stop("99", "the end, and its proof", 0, 0, 5),
    Stop("", "one load more, after a mistake", 0, 1, 0),
)


def stop_seconds(stop: Stop, first: Range, warm: Range) -> Range:
    """Return how long the instance bills for a stop, with these times of a load."""
    pairs = zip(first.bounds, warm.bounds, strict=True)
    return Range(*(60 * stop.minutes + stop.compiles * one + stop.warm * two for one, two in pairs))


def together(parts: Iterable[Range]) -> Range:
    """Return the sum of ranges, bound by bound."""
    return Range(*map(sum, zip(*(one.bounds for one in parts), strict=True)))


def load_times(made: Plan, disk_mib_per_s: float) -> tuple[Range, Range]:
    """Return how long a load takes that compiles, and one that finds weights and programs."""
    first, warm = (planning.loading(made.request, warm=kept, disk_mib_per_s=disk_mib_per_s) for kept in (False, True))
    return first.seconds, warm.seconds


@dataclass(frozen=True)
class Session:
    """A model on an instance: seconds and dollars of each stop, by the dated prices."""

    title: str
    seconds: tuple[Range, ...]
    usd_per_hour: float

    @property
    def cells(self) -> Iterator[str]:
        """Minutes and dollars of each stop, then of all together."""
        for one in (*self.seconds, together(self.seconds)):
            usd = one.scaled(self.usd_per_hour / 3600)
            yield f"{_span(one.low / 60, one.high / 60, 0)} min, {_span(usd.low, usd.high, 2)} USD"


@dataclass(frozen=True, repr=False)
class PathTable:
    """Loads, minutes and dollars of the path on the chip: a table for a page, a terminal or a notebook."""

    sessions: tuple[Session, ...]

    @property
    def heads(self) -> tuple[str, ...]:
        """The names of the columns."""
        return (*HEADS, *(one.title for one in self.sessions))

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """One row a stop, and one for all together."""
        whole = Stop("all", "", sum(one.compiles for one in PATH), sum(one.warm for one in PATH), 0)
        left = [(stop.notebook, stop.what, stop.loads) for stop in (*PATH, whole)]
        return [
            (*begin, *end)
            for begin, end in zip(left, zip(*(one.cells for one in self.sessions), strict=True), strict=True)
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{row[0] or 'again'}: {'; '.join(row[2:])}" for row in self.rows)

    def _repr_html_(self) -> str:
        body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in self.rows)
        return translated_html(f"<table><tr>{_cells('th', self.heads)}</tr>{body}</table>")


def path_table() -> PathTable:
    """Return the path for the first try's model and instance, and for OPT-13B on the smallest that loads it."""
    facts = catalog.cloud_facts()
    small = facts.first_try
    return PathTable((_session(small.model_id, small.instance), _session(Settings().model_id, facts.instance)))


def _session(model_id: str, instance: str) -> Session:
    here = Cloud("us-east-2")  # not connected: the dated table answers
    request = launch_request(here, instance, look_up_image(here), hours=1)
    made = planning.plan(replace(Settings(), model_id=model_id, instance=instance))
    loads = load_times(made, float(request.disk["Throughput"]))
    seconds = tuple(stop_seconds(stop, *loads) for stop in PATH)
    title = f"{model_id.rpartition('/')[2]} on {instance}"
    return Session(title, seconds, price_table(here, request).usd_per_hour)


def _span(low: float, high: float, digits: int) -> str:
    least, most = f"{low:.{digits}f}", f"{high:.{digits}f}"
    return least if least == most else f"{least} to {most}"


def _cells(kind: str, row: tuple[str, ...]) -> str:
    return "".join(on_the_left(kind, escape(cell)) for cell in row)
