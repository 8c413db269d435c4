"""`.ci/run` with played programs in place of make, Docker and apt: what it starts and says, and what it leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="scaling out and the successor are tested on Linux")

MAKE = """#!/bin/sh
echo "make $1" >>calls
case $1 in
setup) mkdir -p .venv/bin; ln -sf /bin/true .venv/bin/python; ln -sf /bin/true .venv/bin/inf2lab ;;
test) echo "$DOCKER_HOST" >host; [ -z "$WAITS" ] || { echo waits >here; cat here; } ;;
esac
case " $FAILS " in *" $1 "*) exit 2 ;; esac
"""
ENGINE = """#!/bin/sh
echo $$ >engine.pid
trap 'echo "engine ended" >>calls; exit' TERM
echo up >engine.up
while :; do sleep 0.1; done
"""
PLAYED = {
    "make": MAKE,
    "dockerd": ENGINE,
    "docker": "#!/bin/sh\n[ -e engine.up ]\n",
    "id": "#!/bin/sh\necho 0\n",
    "apt-get": "#!/bin/sh\n",
    "chromedriver": "#!/bin/sh\n",
}


def checkout(folder: Path) -> dict[str, str]:
    """Put .ci/run into a folder; return the environment in which it finds the played programs."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    programs = folder / "programs"
    programs.mkdir()
    for name, text in PLAYED.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return os.environ | {"PATH": f"{programs}:/usr/bin:/bin", "FAILS": "", "WAITS": ""}


def run(folder: Path, fails: str) -> tuple[int, str, list[str]]:
    """Run it to its end; return its exit code, what it printed, and what was called."""
    done = subprocess.run(
        [folder / ".ci" / "run"], env=checkout(folder) | {"FAILS": fails}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, (folder / "calls").read_text().splitlines()


TIERS = ["make setup", "make test", "make test-migrate", "make test-scale", "make test-thorough"]


@pytest.mark.parametrize(
    ("fails", "code", "stamped"),
    [
        ("", 0, False),
        ("test", 2, False),
        ("test-thorough", 2, False),
        ("test-scale", 2, False),
        ("test-migrate", 2, True),  # its environment is there
        ("test-migrate", 0, False),  # it could not be made
    ],
)
def test_each_tier_runs_once_and_counts(tmp_path: Path, fails: str, code: int, stamped: bool) -> None:
    """An engine of the run's own serves them, and ends after them; only a vLLM that is not to be had fails nothing."""
    if stamped:
        (tmp_path / ".venv-migrate").mkdir()
        (tmp_path / ".venv-migrate" / ".set-up-1").touch()
    returned, said, calls = run(tmp_path, fails)
    assert returned == code
    assert sorted(calls[:-1]) == TIERS
    assert calls[0] == "make setup"
    assert calls[-1] == "engine ended"
    assert ("vLLM could not be installed" in said) == (fails == "test-migrate" and not stamped)
    folder = Path((tmp_path / "host").read_text().strip().removeprefix("unix://")).parent
    assert folder.is_absolute()
    assert not folder.exists()


def test_nothing_is_tried_where_set_up_failed(tmp_path: Path) -> None:
    """Each tier would try it again, three beside each other."""
    code, _, calls = run(tmp_path, "setup")
    assert code == 2
    assert calls == ["make setup"]


def test_an_engine_that_hangs_is_waited_for_half_a_minute(tmp_path: Path) -> None:
    environment = checkout(tmp_path)
    programs = tmp_path / "programs"
    (programs / "dockerd").write_text(
        ENGINE.replace("'echo \"engine ended\" >>calls; exit'", "''").replace("sleep", "/bin/sleep")
    )
    (programs / "sleep").write_text('#!/bin/sh\necho $1 >>slept\n[ "$1" = 0.1 ] || exec /bin/sleep "$1"\n')
    (programs / "sleep").chmod(0o755)
    done = subprocess.run([tmp_path / ".ci" / "run"], env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    assert not Path(f"/proc/{(tmp_path / 'engine.pid').read_text().strip()}").exists()
    assert (tmp_path / "slept").read_text().split().count("0.1") == 300


def test_an_interrupted_run_leaves_no_engine(tmp_path: Path) -> None:
    """The signal comes while the tests run."""
    environment = checkout(tmp_path) | {"WAITS": "1"}
    os.mkfifo(tmp_path / "here")
    process = subprocess.Popen(
        [tmp_path / ".ci" / "run"], env=environment, start_new_session=True, stdout=subprocess.DEVNULL
    )
    assert (tmp_path / "here").read_text() == "waits\n"
    os.killpg(process.pid, signal.SIGTERM)
    process.wait()
    assert (tmp_path / "calls").read_text().splitlines().count("engine ended") == 1
    assert not Path(f"/proc/{(tmp_path / 'engine.pid').read_text().strip()}").exists()
