"""`run(target, load)`, and sweeps: the same load from more and more clients, or with larger and larger batches."""

import contextlib
import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inf2lab import planning
from inf2lab.errors import MeasureError, SettingsError
from inf2lab.folder import Migrated, ModelFolder, write_properties
from inf2lab.measure.client import REFUSED, send_all
from inf2lab.measure.load import Load
from inf2lab.measure.result import Result, rows_of
from inf2lab.measure.target import POOL, Target, fingerprint
from inf2lab.planning import Plan
from inf2lab.serving import ModelServer, Server
from inf2lab.settings import Settings
from inf2lab.waits import told
from inf2lab.words import plural

NEAR_THE_TOP = 0.9  # of the highest throughput: more clients than that buy waiting, not work
Progress = Callable[[Load, int, int], None]  # the load under way; of all so far: answers, and failures among them


@dataclass(frozen=True)
class Knee:
    """The fewest clients that reach `NEAR_THE_TOP` of the highest throughput, and what more than them cost."""

    clients: int
    requests_per_s: float
    top_requests_per_s: float


def run(target: Target, load: Load, progress: Progress | None = None) -> Result:
    """Put a load on an endpoint and return what it showed; raises MeasureError, SettingsError.

    A request that fails is counted by its code; only an endpoint that answers nothing at all raises.
    """
    posts = target.requests(load.seed, load.count or POOL)
    with _told() if progress is None else contextlib.nullcontext(functools.partial(progress, load)) as tell:
        samples = send_all(target, load, posts, tell)
    if samples and all(sample.status == REFUSED for sample in samples):
        raise MeasureError(f"nothing listens at {target.url}: start a server first (notebook 05)")
    seconds = max((sample.ended for sample in samples), default=0.0)
    marks = fingerprint(posts, load.schedule())
    return Result(target, load, rows_of(target, posts, samples), seconds, marks)


@contextlib.contextmanager
def _told() -> Iterator[Callable[[int, int], None]]:
    """A line now and then on how many answers are here: on the chip one of them may take minutes."""
    count = 0

    def tell(done: int, failed: int) -> None:
        nonlocal count
        count = done

    with told(print, lambda: f"waiting: {plural(count, 'answer')} so far"):
        yield tell


def sweep(target: Target, load: Load, clients: Sequence[int], progress: Progress | None = None) -> list[Result]:
    """Return one result for each number of clients, each with as many requests a client as `load` has."""
    if load.open:
        raise SettingsError("rate", load.rate, "a sweep over clients is a closed loop: leave the rate out")
    results: list[Result] = []
    for number in clients:
        requests = None if load.requests is None else load.requests * number
        one = dataclasses.replace(load, clients=number, requests=requests, warm_up=number)
        results.append(run(target, one, _counting_on(results, progress) if progress else None))
    return results


def _counting_on(results: Sequence[Result], progress: Progress) -> Progress:
    done, failed = sum(len(one.rows) for one in results), sum(sum(one.errors.values()) for one in results)
    return lambda load, more, among: progress(load, done + more, failed + among)


def sweep_batches(
    settings: Settings,
    folder: ModelFolder,
    batches: Sequence[int],
    load: Load,
    *,
    output_tokens: int = 32,
    report: Callable[[str], None] = print,
) -> list[Result]:
    """Serve copies of a model folder with one compiled batch after the other, and return a result for each.

    The copies are served on settings.port, and the last server is stopped again. On the chip each batch is compiled
    anew, which takes minutes. Raises LabError, also when a batch does not fit: no result is made up for it.
    """
    results = []
    with tempfile.TemporaryDirectory(prefix="inf2lab-batches-") as scratch:
        for batch in batches:
            copy = ModelFolder(Path(scratch) / f"batch{batch}" / folder.path.name)
            shutil.copytree(folder.path, copy.path)
            write_properties(copy.properties_path, folder.properties() | {"option.batch_size": batch})
            server = Server.start(settings, copy.path, report=lambda line: None)
            try:
                report(f"batch {batch}: {load.title}")
                results.append(run(Target.of(server, output_tokens=output_tokens), load))
            finally:
                server.stop()
    return results


def plan_of(server: ModelServer) -> Plan | None:
    """Return the chip's plan for the folder that a server serves; raises FolderError, SettingsError.

    None for a migrated folder: its successor's rules are in the migration's report, and no time is known for them.
    """
    return None if Migrated.is_in(server.folder.path) else planning.plan_of(server.folder, server.settings)


def knee(results: Sequence[Result]) -> Knee | None:
    """Return where a sweep over clients bends; None if nothing was answered."""
    measured = [result for result in results if result.good and not result.load.open]
    if not measured:
        return None
    top = max(result.requests_per_s for result in measured)
    enough = [result for result in measured if result.requests_per_s >= NEAR_THE_TOP * top]
    first = min(enough, key=lambda result: result.load.clients)
    return Knee(first.load.clients, first.requests_per_s, top)
