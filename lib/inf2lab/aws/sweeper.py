"""The sweep: end what our runs have started, then look by tag, in every region used, for anything that is left.

Only what carries the tag of a named run is touched. A sweep may be repeated, and interrupted at any point.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import groupby

from inf2lab import catalog, paths
from inf2lab.aws.connection import Cloud, connect
from inf2lab.aws.errors import ClockSkew, CloudError, NoAccess, NotThere, StillInUse
from inf2lab.aws.kinds import (
    ENDPOINT,
    KEPT_PREFIX,
    KINDS,
    Found,
    Kind,
    list_instances,
    list_other_endpoints,
    list_others,
    select_sagemaker,
    volume_rate,
)
from inf2lab.aws.runs import Run, all_runs, name_of, open_runs
from inf2lab.errors import SettingsError
from inf2lab.settings import Settings
from inf2lab.words import Report

Key = tuple[str, str]
PATIENCE_S = 600
STEP_S = 5
TRIES = 12  # a minute for what something else holds on to


@dataclass(frozen=True)
class SweepReport:
    """What a sweep removed and what remains; `unknown` says where it could not look, which is never taken for zero."""

    runs: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    removed: tuple[Found, ...] = ()
    remaining: tuple[Found, ...] = ()
    problems: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    not_ours: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether it is proved that nothing of these runs is left."""
        return not self.remaining and not self.unknown

    @property
    def usd_per_hour(self) -> float:
        """What remains bills this much an hour, without what has no price here."""
        return sum(found.usd_per_hour or 0.0 for found in self.remaining)

    def __str__(self) -> str:
        if not self.runs:
            return "no run was swept: none is on record here, or AWS was not asked"
        lines = [f"looked for {len(self.runs)} runs in {', '.join(self.regions)}; removed {len(self.removed)}"]
        lines += [f"  left: {found}" for found in self.remaining]
        lines += [f"  problem: {text}" for text in self.problems]
        lines += [f"  could not look: {text}" for text in self.unknown]
        lines += [f"  not touched: {text}" for text in self.not_ours]
        lines += [f"  kept on purpose: {text}" for text in self.kept]
        lines += [f"  {text}" for text in self.logs]
        if not self.clean:
            least = "more than " if any(found.usd_per_hour is None for found in self.remaining) else ""
            lines.append(f"{len(self.remaining)} left, {least}{self.usd_per_hour:.4f} USD/h: sweep again")
        elif self.not_ours or self.kept or self.problems or self.logs:  # which bill, or may
            lines.append(f"of your runs nothing {'else ' if self.kept else ''}is left")
        else:
            lines.append("nothing is left, nothing bills: 0 USD/h")
        return "\n".join(lines)


def _list_logs(runs: Iterable[Run], removed: Iterable[Found]) -> Iterator[str]:
    """Yield the logs of endpoints, which SageMaker makes without a tag and without an end.

    Whoever has deleted the endpoint, and whether it ever started: nobody asks for what is there.
    """
    endpoints = {(name_of(run.id), run.region) for run in runs if run.bucket}
    endpoints |= {(found.id, found.region) for found in removed if found.kind == ENDPOINT}
    for name, region in sorted(endpoints):
        group = f"{catalog.sagemaker_facts().log_groups}/{name}"
        command = f"aws logs delete-log-group --log-group-name {group} --region {region}"
        yield f"may stay, and AWS bills what it stores: an endpoint's log, until `{command}`"


def sweep(
    cloud: Cloud,
    runs: Sequence[Run],
    *,
    regions: Iterable[str] = (),
    kept: bool = False,
    patience_s: float = PATIENCE_S,
    report: Report = print,
) -> SweepReport:
    """Remove everything of these runs in their regions (and `regions`), wait, look again, and say what remains.

    What was kept for the next session stays, and is named with its price, unless `kept` asks for it too.
    A run whose record cannot be read is looked for by its id in every region of the catalog, and is never taken for
    gone: it may have been elsewhere. Raises NoAccess or ClockSkew when AWS does not answer us at all; nothing is taken
    for gone then.
    """
    ids = frozenset(run.id for run in runs)
    unread = [run for run in runs if not run.region]
    where = tuple(sorted({*(run.region for run in runs if run.region), *regions, *(known_regions() if unread else ())}))
    if not ids:
        return SweepReport(regions=where)
    work = _Work(cloud, ids, where, patience_s, report)
    runs = [_note_volumes(cloud, run) for run in runs]
    kinds = [kind for kind in KINDS if kept or not kind.on_request]
    for kind in kinds:
        work.remove_all(kind)
        if kind.name == ENDPOINT:
            work.keep_what_ends(kind)
    work.unknown.clear()  # only the last look counts
    remaining = [found for kind in kinds for found in work.look(kind)]
    remaining += _find_untagged_volumes(work, runs, {found.id for found in remaining})
    work.unknown += [f"{_unreadable(run)}; looked in {', '.join(where)}" for run in unread]
    left = {found.key for found in remaining}
    result = SweepReport(
        tuple(sorted(ids)),
        where,
        tuple(found for found in work.removed.values() if found.key not in left),
        tuple(remaining),
        tuple(text for name, text in work.problems.items() if name in left),
        tuple(dict.fromkeys(work.unknown)),
        (*_list_not_ours(cloud, where, ids), *_list_open(ids)),
        tuple(_list_kept(work)),
        tuple(_list_logs(runs, work.removed.values())),
    )
    problems = (*result.problems, *_list_unheard(runs, result), *_record(cloud, runs, result))
    return replace(result, problems=problems)


def sweep_on_record(
    settings: Settings, *, run: str = "", regions: Sequence[str] = (), kept: bool = False, report: Report = print
) -> SweepReport:
    """Sweep every run on record, or the named one; raises CloudError, SettingsError.

    The rehearsal lane asks nobody. A run that is not on record here needs `regions`.
    """
    runs = [one for one in all_runs() if run in ("", one.id)]
    if run and not runs:
        if not regions:
            raise SettingsError("run", run, "is not on record here: say where it is with --region")
        runs = [Run(run, where) for where in regions]
    if settings.lane != "inf2" or not runs:
        return SweepReport()
    for one in runs:
        if not one.region:
            report(f"{_unreadable(one)}: it is looked for by its name")
    (region, *_) = [*(one.region for one in reversed(runs) if one.region), *regions, *known_regions()]
    return sweep(connect(settings, region=region), runs, regions=regions, kept=kept, report=report)


def known_regions() -> tuple[str, ...]:
    """Return every region in which the catalog knows an instance that can be launched from here."""
    offered = catalog.cloud_facts().regions.by_instance
    return tuple(sorted({region for regions in offered.values() for region in regions}))


def _unreadable(run: Run) -> str:
    return f"the record {paths.shown(run.path)} cannot be read"


class _Work:
    """One sweep under way: what was removed, what would not go, where nobody could look."""

    def __init__(
        self, cloud: Cloud, ids: frozenset[str], regions: Sequence[str], patience_s: float, report: Report
    ) -> None:
        self.cloud, self.ids, self.regions, self.report = cloud, ids, regions, report
        self.patience_s = patience_s  # for all waiting of this sweep together
        self.removed: dict[Key, Found] = {}
        self.problems: dict[Key, str] = {}
        self.unknown: list[str] = []
        self.kept: frozenset[str] = frozenset()  # runs whose endpoint may still be there

    def keep_what_ends(self, endpoints: Kind) -> None:
        """Note the runs whose endpoint would not go: what it lives on stays, and the schedule that ends it without us.

        Without its configuration an endpoint that is being created hangs for an hour
        (amazon-sagemaker-examples#3432), and nobody can see any more what it costs (API of DeleteEndpointConfig).
        """
        self.kept = frozenset(found.run for found in self.look(endpoints))
        for run in sorted(self.kept):
            self.report(f"  the endpoint of run {run} is still there, so its schedule stays, to end it")
        if self.unknown:  # nobody could look: there may be one
            self.kept |= select_sagemaker(self.ids)

    def look(self, kind: Kind) -> list[Found]:
        """Return what there is of a kind; where AWS does not let us look, that is noted."""
        found: list[Found] = []
        for region in self.regions if kind.regional else self.regions[:1]:
            with _looking() as refused:
                found += kind.find(self.cloud, region, self.ids)
            place = f" in {region}" if kind.regional else ""
            self.unknown += [f"{kind.name}s{place}: {code}" for code in refused]
        return found

    def remove_all(self, kind: Kind) -> None:
        """Remove everything of a kind and wait until it is gone, or does not go."""
        tries: Counter[Key] = Counter()
        told: dict[Key, str] = {}
        kept = self.kept if kind.needed_by_endpoint else frozenset()
        while present := [
            found for found in self.look(kind) if found.run not in kept and (tries[found.key] < TRIES or found.going)
        ]:
            for found in present:
                if told.get(found.key) != found.state:
                    self.report(f"  {found}")
                    told[found.key] = found.state
                if not found.going:
                    tries[found.key] += 1
                    tries[found.key] += self._remove(kind, found)
            if self.patience_s <= 0:
                return
            if self.look(kind):
                self.cloud.pause(STEP_S)
                self.patience_s -= STEP_S

    def _remove(self, kind: Kind, found: Found) -> int:
        """Remove one thing; returns how many more tries a refusal takes away."""
        if found.run not in self.ids:  # no tag of ours, no touch: the searches never return such a thing
            raise CloudError("sweep", "not ours", found.id, "nothing was done to it")
        try:
            kind.remove(self.cloud, found)
        except (NoAccess, ClockSkew):
            raise
        except NotThere:
            return 0
        except StillInUse as error:  # passes when what holds it has gone
            self.problems[found.key] = str(error)
            return 0
        except CloudError as error:
            self.problems[found.key] = str(error)
            return TRIES
        self.removed[found.key] = found
        return 0


def _note_volumes(cloud: Cloud, run: Run) -> Run:
    """Note the disks of a run's instance, also those attached by hand, so that they are looked for afterwards."""
    if not run.on_record:
        return run
    disks = set(run.volumes)
    with _looking():
        for row in list_instances(cloud, run.region, [run.id]):
            disks |= {disk["Ebs"]["VolumeId"] for disk in row.get("BlockDeviceMappings", ()) if "Ebs" in disk}
    noted = replace(run, volumes=tuple(sorted(disks)))
    if disks != set(run.volumes):
        with suppress(OSError):  # a full disk keeps nobody from ending what bills
            noted.write()
    return noted


def _find_untagged_volumes(work: "_Work", runs: Iterable[Run], seen: set[str]) -> list[Found]:
    """Return disks that hung on our instances and do not carry our tag: they bill, and they are not ours to delete."""
    found = []
    for run in runs:
        filters = [{"Name": "volume-id", "Values": list(run.volumes)}]
        with _looking() as refused:
            rows = work.cloud.pages("ec2", "describe_volumes", "Volumes", region=run.region, Filters=filters)
            for row in rows if run.volumes else ():
                if row["VolumeId"] not in seen:
                    state = f"{row['State']}, without our tag: not touched, delete it by hand"
                    found.append(Found("volume", row["VolumeId"], run.region, run.id, state, volume_rate(row)))
        work.unknown += [f"disks without our tag in {run.region}: {code}" for code in refused]
    return found


def _list_not_ours(cloud: Cloud, regions: Iterable[str], ids: frozenset[str]) -> Iterator[str]:
    """Yield what bills for runs that were not named: another person's, or another machine's record."""
    for region in regions:
        for search, what in ((list_others, "instances"), (list_other_endpoints, "endpoints")):
            with _looking() as refused:
                for name, run in search(cloud, region, ids):
                    again = f"if it is yours: `inf2lab sweep --run {run} --region {region}`"
                    yield f"{name} in {region} is of run {run}; {again}"
            yield from (f"other runs' {what} in {region}: nobody could look ({code})" for code in refused)


def _list_unheard(runs: Iterable[Run], result: SweepReport) -> Iterator[str]:
    """Yield the runs of which neither a record nor anything else was found: they may be where nobody looked."""
    found = {one.run for one in (*result.removed, *result.remaining)}
    for run in sorted({run.id for run in runs if not run.path.exists()} - found):
        yield f"run {run} is not on record here, and nothing of it was found: it may be in another region"


def _list_open(ids: frozenset[str]) -> Iterator[str]:
    """Yield the runs on record that were not named, wherever they are."""
    for run in open_runs():
        if run.id not in ids:
            where = f"in {run.region}" if run.region else f"in an unknown region: {_unreadable(run)}"
            yield f"run {run.id} is open {where}; `inf2lab sweep` ends it too"


def _list_kept(work: "_Work") -> Iterator[str]:
    """Yield what was kept on purpose for the next session, and what it bills."""
    (kind,) = [kind for kind in KINDS if kind.on_request]
    known, there = len(work.unknown), work.look(kind)
    yield from (f"could not look: {text}" for text in work.unknown[known:])
    for bucket, found in groupby(there, key=lambda one: one.note):
        rates = [one.usd_per_hour or 0.0 for one in found]
        month = sum(rates) * catalog.cloud_facts().hours_per_month
        yield (
            f"{len(rates)} files in s3://{bucket}/{KEPT_PREFIX}, about {month:.2f} USD a month; "
            "`inf2lab sweep --kept` deletes them"
        )


@contextmanager
def _looking() -> Iterator[list[str]]:
    """Yield the codes with which AWS refuses the look, to go on with; not so where it does not answer us at all."""
    refused: list[str] = []
    try:
        yield refused
    except (NoAccess, ClockSkew):
        raise
    except CloudError as error:
        refused.append(error.code)


def _record(cloud: Cloud, runs: Iterable[Run], result: SweepReport) -> Iterator[str]:
    """Mark the runs that are proved gone; one that is not, or that came back, is open again. Yields what went wrong."""
    for run in runs:
        if run.on_record:
            left = result.unknown or any(found.run == run.id for found in result.remaining)
            swept = None if left else run.swept or cloud.now()
            if swept != run.swept:
                try:
                    run.with_(swept=swept)
                except OSError as error:
                    yield f"{paths.shown(run.path)} could not be written ({error.strerror}): it stays as it was"
