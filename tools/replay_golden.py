"""Replays exchanges recorded from the real DJLServing against the rehearsal server, and says where it differs.

    python tools/replay_golden.py [FOLDER] [--only TEXT ...] [--fast] [--verbose]

FOLDER (default tests/rehearsal/server/golden) holds exchanges.jsonl, the model stores that it was recorded on, and
launches.json, which says how each scenario's server was started. Each gets a server of its own, in strict mode. The
last line is `N of M equal`; the exit code is 1 if N is smaller.

Not compared, because no two runs agree: request ids, tokens, process and worker ids, times, ports, the order of names
in /ping, and the folders in which the two servers keep their worker, sockets and logs. Log lines are compared for what
LOGGED of tests/support/golden/compare.py matches; the JVM's own (plugins, Netty, Java stack traces) and Python's
tracebacks, which change with Python, are not. Recordings of simultaneous requests are matched in any order.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/support is where the replay lives
from tests.support.golden.compare import Outcome
from tests.support.golden.http import Record
from tests.support.golden.launch import GOLDEN, read_launches
from tests.support.golden.scenario import Scenario

AT_ONCE = 4  # scenarios; most of their time they wait


def replay(golden: Path, *, only: tuple[str, ...] = (), fast: bool = False) -> list[Outcome]:
    """Replays the scenarios whose name holds one of `only`; `fast` leaves out those that wait."""
    by_name: dict[str, list[Record]] = {}
    for line in (golden / "exchanges.jsonl").read_text().splitlines():
        record = json.loads(line)
        by_name.setdefault(record["scenario"], []).append(record)
    names = [name for name in by_name if not only or any(part in name for part in only)]
    launches = read_launches(golden)
    names = [name for name in names if not (fast and launches.get(name, {}).get("waits"))]

    def one(name: str) -> list[Outcome]:
        with tempfile.TemporaryDirectory(prefix="replay-") as work:
            try:
                if name not in launches:
                    raise LookupError(f"launches.json has no row {name!r}; say there how its server was started")
                return list(Scenario(name, launches[name], by_name[name], golden, Path(work)).run())
            except Exception as error:  # one scenario that cannot be replayed must not hide the others
                return [Outcome(name, record["name"], [f"not replayed: {error}"]) for record in by_name[name]]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [outcome for outcomes in pool.map(one, names) for outcome in outcomes]


def main(argv: list[str] | None = None) -> int:
    """Prints what differs and the count; 0 if all are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=GOLDEN)
    parser.add_argument("--only", nargs="+", default=[], metavar="TEXT", help="scenarios whose name holds one of these")
    parser.add_argument("--fast", action="store_true", help="leave out scenarios that wait for a minute")
    parser.add_argument("--verbose", action="store_true", help="also name the equal ones")
    args = parser.parse_args(argv)
    if not (args.folder / "exchanges.jsonl").is_file():
        print(f"{args.folder}: no exchanges.jsonl there", file=sys.stderr)
        return 2
    outcomes = replay(args.folder, only=tuple(args.only), fast=args.fast)
    for outcome in outcomes:
        if outcome.differences or args.verbose:
            print(f"{'DIFFERENT' if outcome.differences else 'equal'} {outcome.scenario} {outcome.name}")
            for difference in outcome.differences:
                print(f"    {difference[:2000]}")
    equal = sum(not outcome.differences for outcome in outcomes)
    print(f"{equal} of {len(outcomes)} equal")
    return 0 if equal == len(outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
