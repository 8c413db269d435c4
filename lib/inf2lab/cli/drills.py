"""Commands about failures: drill causes one on purpose, explain finds known ones in a log."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from inf2lab.cli.common import console, one_sentence, show_table
from inf2lab.errors import LabError
from inf2lab.words import plural

if TYPE_CHECKING:
    from inf2lab.drills import Match, Result

commands = typer.Typer()
SHOWN_LINES = 12
TOLD = 16 << 20  # bytes of a log


@commands.command()
def drill(
    names: Annotated[list[str] | None, typer.Argument(help="Drills to run, as `--list` names them.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="Name all drills and run none.")] = False,
    all_of_them: Annotated[bool, typer.Option("--all", help="Run all; takes one to three minutes.")] = False,
) -> None:
    """Break a server on purpose and show what it looks like. Exit code 1 if something else happened than is written.

    Each drill starts a DJLServing of its own: what they break is its worker and its folder, which a migrated folder's
    server does not have.
    """
    from inf2lab import drills

    if list_them:
        show_table(("drill", "what goes wrong"), ((each.name, each.title) for each in drills.DRILLS.values()))
        return
    with one_sentence():
        if not names and not all_of_them:
            raise LabError("name a drill (`inf2lab drill --list`), or run them all with --all")
        chosen = list(drills.DRILLS.values()) if all_of_them else [drills.find(name) for name in names or ()]
        verdicts = []
        for result in drills.run(chosen):
            verdicts.append(result.verdict)
            _line(result) if len(chosen) > 1 else _show(result)
    if len(chosen) > 1:
        console.print(", ".join(f"{verdicts.count(word)} {word}" for word in ("PASS", "SKIP", "FAIL")))
    if "FAIL" in verdicts:
        raise typer.Exit(1)


@commands.command()
def explain(
    log: Annotated[
        Path | None, typer.Argument(help="A log; left out: what is piped in, else this clone's newest log.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the matches as JSON.")] = False,
) -> None:
    """Find known failures in a log, with cause and cure: `inf2lab explain < log`.

    Exit code 0: no failure, or harmless lines only. 1: a failure, known or not. 2: the log could not be read.
    """
    from inf2lab import drills

    with one_sentence(), _opened(log) as (source, stream):
        found = drills.explain_log(cast("BinaryIO", Told(stream)))
    if as_json:
        print(json.dumps([asdict(match) for match in found.matches], indent=2, ensure_ascii=False))
    else:
        for match in found.matches:
            _explain(source, match)
        if not found.failed:
            console.print(f"{source}: nothing that is known to go wrong in {plural(found.lines, 'line')}")
    if found.failed:
        raise typer.Exit(1)


class Told(io.RawIOBase):
    """A log that says on stderr how much of it was read, where it is long."""

    def __init__(self, log: BinaryIO) -> None:
        self._log, self._read = log, 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes of it."""
        data = self._log.read(size)
        before, self._read = self._read, self._read + len(data)
        if before // TOLD < self._read // TOLD:
            print(f"inf2lab: read {self._read >> 20} MiB of the log", file=sys.stderr, flush=True)
        return data


def _line(result: Result) -> None:
    why = f": {result.unavailable or '; not seen: '.join(['', *result.missing])}" if not result.ok else ""
    console.print(f"{result.verdict}  {result.seconds:5.1f} s  {result.drill.name}{why}")


def _show(result: Result) -> None:
    each = result.drill
    console.print(f"{each.title}\n  caused by: {each.how}")
    if result.unavailable:
        console.print(f"SKIP  {result.unavailable}")
        return
    console.print("\nthe terminal shows")
    lines = result.sighting.answer.splitlines()
    for line in lines[:SHOWN_LINES]:
        console.print(f"  {line}")
    if each.log:
        console.print(f"\nthe log says\n  {result.line}")
    for word, text in (("cause", each.cause), ("fix", each.fix), ("on the chip", each.chip)):
        console.print(f"\n{word}\n  {text}")
    expected = "".join(f"\n  not seen: {pattern}" for pattern in result.missing)
    console.print(f"\n{result.verdict}  {'as written' if result.ok else f'something else happened{expected}'}")


def _explain(source: str, match: Match) -> None:
    times = f", {match.times} times" if match.times > 1 else ""
    console.print(f"{source}, line {match.line_number}{times}: {match.unfolded()}")
    if match.drill:
        console.print(f"  see it happen: inf2lab drill {match.name}")


@contextmanager
def _opened(log: Path | None) -> Iterator[tuple[str, BinaryIO]]:
    """Yield a name for the log and its bytes; raises LabError if there is none."""
    from inf2lab import drills, paths

    if log is None and _is_piped():
        yield "input", sys.stdin.buffer
        return
    path = log or drills.newest_log()
    if path is None:
        raise LabError("no server was started here: give a log, `inf2lab explain FILE` or `inf2lab explain < FILE`")
    try:
        if stat.S_ISCHR(path.stat().st_mode):
            raise LabError(f"{path} is a device and has no end: give a file, or pipe the log in")
        stream = path.open("rb")
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror}") from error
    with stream:
        yield paths.shown(path), stream


def _is_piped() -> bool:
    """Return whether standard input is a file or a pipe, and not a terminal or nothing."""
    if sys.stdin is None:  # it was closed before
        return False
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):  # no file behind it, as in a test
        return not sys.stdin.closed
    return stat.S_ISREG(mode) or stat.S_ISFIFO(mode)
