"""A thousand odd command lines in odd surroundings, each a process of its own; run it by hand.

    python tests/benchmarks/odd_commands.py [--count 1000] [--seed 1] [--jobs 2] [--only COMMAND]

Each must end with code 0, 1 or 2, without a traceback, in one sentence where it could not run, and say something
within 10 s of its own processor time. Surroundings are read-only, full or not there: a tmpfs is mounted where this
user may. Prints each broken promise with its words, and the slowest; exit code 1 names their number.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from tests.support.odd_commands import Odd, environment_of, faults, invocations

QUIET_S, PATIENCE_S = 10, 120


@dataclass(frozen=True)
class Ended:
    """How one invocation ended; `quiet_s` is the processor time of one that said nothing."""

    odd: Odd
    seconds: float
    processor_s: float
    faults: tuple[str, ...]
    complained: str


def run(odd: Odd, home: Path) -> Ended:
    """Run one invocation and judge it."""
    place = Path(tempfile.mkdtemp(dir=home))
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'inf2lab'; from inf2lab.cli import app; app()"]
    shell = "; ".join(
        (
            *(['command -p rmdir "$PWD"'] if odd.gone else []),  # found whatever PATH is
            f'exec "$@"{" <&-" * (odd.stdin == "closed")}{" >&-" * (odd.stdout == "closed")}',
        )
    )
    command = ["/bin/sh", "-c", shell, "sh", *command, *odd.words]
    said_path, complained_path = place.with_suffix(".out"), place.with_suffix(".err")
    begun = time.monotonic()
    with (
        open("/dev/zero" if odd.stdin == "zero" else os.devnull, "rb") as stdin,
        (Path("/dev/full") if odd.stdout == "full" else said_path).open("wb") as stdout,
        complained_path.open("wb") as stderr,
    ):
        process = subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=stderr, cwd=place, env=environment_of(odd, home)
        )
        late = False
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - begun > PATIENCE_S and not late:
                late = True
                process.kill()
            time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    said = said_path.read_text(errors="replace") if said_path.exists() else ""
    complained = complained_path.read_text(errors="replace")
    processor = used.ru_utime + used.ru_stime
    found = faults(odd, process.returncode, said, complained)
    if late or (processor > QUIET_S and not said):
        found.append(f"{processor:.0f} s of the processor, {time.monotonic() - begun:.0f} s in all")
    for path in (said_path, complained_path):
        path.unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    return Ended(odd, time.monotonic() - begun, processor, tuple(found), complained)


@contextmanager
def bad_folders(home: Path) -> Iterator[list[str]]:
    """Yield folders that cannot be written: below a file, of the kernel, read-only and full where that can be made."""
    (home / "file").write_text("")
    found, mounted = [str(home / "file"), str(home / "file" / "below"), "/proc/nowhere", "/sys"], []
    mount = ["mount", "-t", "tmpfs", "-o"]
    for name, options in (("full", "size=64k"), ("readonly", "ro,size=64k")):
        folder = home / name
        folder.mkdir()
        done = subprocess.run([*mount, options, "tmpfs", folder], capture_output=True, check=False)
        if done.returncode == 0:
            mounted.append(folder)
            found.append(str(folder))
            with suppress(OSError):
                (folder / "all").write_bytes(b"x" * (1 << 20))
    try:
        yield found
    finally:
        for folder in mounted:
            subprocess.run(["umount", folder], check=False)


def main() -> int:
    """Run them all and print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="odd-commands-") as name, bad_folders(Path(name)) as bad:
        home = Path(name)
        made = invocations(options.seed, home / "files", bad_folders=bad)
        chosen = (odd for odd in itertools.islice(made, options.count) if options.only in ("", odd.words[0]))
        with ThreadPoolExecutor(options.jobs) as pool:
            ended = []
            for one in pool.map(lambda odd: run(odd, home), chosen):
                ended.append(one)
                if one.faults:
                    print(
                        f"{one.odd}\n  {'; '.join(one.faults)}\n  {' | '.join(one.complained.splitlines()[-3:])[:600]}",
                        flush=True,
                    )
        run(Odd(("stop",)), home)
    wrong = [one for one in ended if one.faults]
    for one in sorted(ended, key=lambda one: one.processor_s)[-5:]:
        print(f"{one.processor_s:5.1f} s of the processor, {one.seconds:5.1f} s: {one.odd}")
    print(f"{len(ended)} invocations, {len(wrong)} with a fault")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
