"""The first boot's script: a shell and systemd accept it, and its deadline ends the instance at the right moment."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from inf2lab import catalog
from inf2lab.aws.moments import Moment
from inf2lab.aws.user_data import LARGEST_BYTES, user_data

VALUES = {"Run": "r1", "Deadline": "2030-01-01T00:00:00Z", "User": "ubuntu", "Port": "8888", "Repository": ""}


def files_in(script: str) -> dict[str, str]:
    """The files that the script writes, by path."""
    return dict(re.findall(r"^cat >(\S+) <<'END'\n(.*?)^END$", script, flags=re.MULTILINE | re.DOTALL))


def can_verify() -> bool:
    """Whether systemd is here, and knows how to look at single units only."""
    if shutil.which("systemd-analyze") is None:
        return False
    done = subprocess.run(["systemd-analyze", "--help"], capture_output=True, text=True, check=False)
    return "--recursive-errors" in done.stdout


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    scripts = {"user-data": user_data(VALUES), **files_in(user_data(VALUES))}
    written = []
    for name, text in scripts.items():
        if text.startswith("#!"):
            written.append(tmp_path / Path(name).name)
            written[-1].write_text(text)
    assert len(written) == 2
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), *written], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze comes with systemd (Linux)")
def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    """Programs that are on the instance only are replaced by one that is here."""
    units = []
    for path, text in files_in(user_data(VALUES)).items():
        if path.startswith("/etc/systemd"):
            units.append(tmp_path / Path(path).name)
            units[-1].write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    assert {unit.name for unit in units} == {
        "inf2lab-deadline.service",
        "inf2lab-deadline.timer",
        "inf2lab-setup.service",
        "inf2lab-jupyter.service",
    }
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units]
    done = subprocess.run(
        command,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("family", ["ubuntu-24.04", "amazon-linux-2023"])
def test_it_fits_and_holds_no_open_door(family: str) -> None:
    script = user_data(VALUES | {"User": catalog.host_image(family).user})
    assert len(script.encode()) < LARGEST_BYTES
    assert "--ip=127.0.0.1" in script
    assert "0.0.0.0" not in script
    assert "umask 077" in script
    assert "${" not in script


def run_deadline(tmp_path: Path, *, on_file: Moment, tag: str) -> bool:
    """Run the instance's own deadline script with commands that are played; returns whether it switched off."""
    script = files_in(user_data(VALUES))["/usr/local/sbin/inf2lab-deadline"]
    (tmp_path / "deadline").write_text(f"{on_file}\n")
    (tmp_path / "script").write_text(script.replace("/etc/inf2lab", str(tmp_path)))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "curl": f'case "$*" in *tags/instance*) {tag};; *) echo key;; esac',
        "systemctl": f'echo "$@" >{tmp_path}/switched-off',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    path = f"{programs}:/usr/bin:/bin"
    subprocess.run(["bash", tmp_path / "script"], env={"PATH": path}, check=False, capture_output=True)
    off = tmp_path / "switched-off"
    return off.exists() and off.read_text() == "poweroff\n"


NOW = Moment.now(UTC)
PAST, FUTURE = NOW - timedelta(minutes=5), NOW + timedelta(hours=5)


@pytest.mark.parametrize(
    ("on_file", "tag", "ends"),
    [
        (FUTURE, "exit 22", False),
        (PAST, "exit 22", True),
        (PAST, f"echo {FUTURE}", False),
        (FUTURE, f"echo {PAST}", True),
        (PAST, "echo tomorrow", True),
        (FUTURE, "echo ''", False),
        (FUTURE, "echo '2020-01-01T00:00:00Z; reboot'", False),
    ],
    ids=[
        "no tag, before",
        "no tag, after",
        "the tag moved it away",
        "the tag brought it nearer",
        "a tag nobody can read does not save it",
        "an empty tag does not end it",
        "a tag with a command is no deadline",
    ],
)
def test_it_ends_at_the_deadline_and_not_before(tmp_path: Path, on_file: Moment, tag: str, ends: bool) -> None:
    assert run_deadline(tmp_path, on_file=on_file, tag=tag) is ends


def test_a_deadline_that_was_lost_ends_it(tmp_path: Path) -> None:
    """Better off than forgotten."""
    script = files_in(user_data(VALUES))["/usr/local/sbin/inf2lab-deadline"]
    assert "|| end=0" in script
    assert run_deadline(tmp_path, on_file=PAST, tag="exit 22")
