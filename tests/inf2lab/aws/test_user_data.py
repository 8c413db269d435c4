"""The first boot's script: a shell and systemd accept it, and its deadline ends the instance at the right moment."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from datetime import UTC, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl

import pytest

from inf2lab import catalog
from inf2lab.aws.moments import Moment
from inf2lab.aws.user_data import LARGEST_BYTES, user_data

VALUES = {
    "Run": "r1",
    "Deadline": "2030-01-01T00:00:00Z",
    "User": "ubuntu",
    "Port": "8888",
    "Instance": "inf2.8xlarge",
    "DriverBelow": "2.29",
    "Repository": "",
    "Bucket": "",
    "Prefix": "inf2lab/kept/",
}
REPOSITORY = "https://example.com/x.git"


def files_in(script: str) -> dict[str, str]:
    """The files that the script writes, by path."""
    return dict(re.findall(r"^cat >(\S+) <<'END'\n(.*?)^END$", script, flags=re.MULTILINE | re.DOTALL))


def can_verify() -> bool:
    """Whether systemd is here, and knows how to look at single units only."""
    if shutil.which("systemd-analyze") is None:
        return False
    done = subprocess.run(["systemd-analyze", "--help"], capture_output=True, text=True, check=False)
    return "--recursive-errors" in done.stdout


KEEPING = VALUES | {"Bucket": "my-bucket"}


@pytest.mark.parametrize(("values", "count"), [(VALUES, 3), (KEEPING, 4)], ids=["plain", "keeping"])
def test_shellcheck_finds_nothing(tmp_path: Path, values: dict[str, str], count: int) -> None:
    scripts = {"user-data": user_data(values), **files_in(user_data(values))}
    written = []
    for name, text in scripts.items():
        if text.startswith("#!"):
            written.append(tmp_path / Path(name).name)
            written[-1].write_text(text)
    assert len(written) == count
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), *written], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze comes with systemd (Linux)")
def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    """Programs that are on the instance only are replaced by one that is here."""
    units = []
    for path, text in files_in(user_data(KEEPING)).items():
        if path.startswith("/etc/systemd"):
            units.append(tmp_path / Path(path).name)
            units[-1].write_text(re.sub(r"^(Exec\w*=-?)\S+", r"\1/bin/true", text, flags=re.MULTILINE))
    assert {unit.name for unit in units} == {
        "inf2lab-bring.service",
        "inf2lab-bring.timer",
        "inf2lab-deadline.service",
        "inf2lab-deadline.timer",
        "inf2lab-kept.service",
        "inf2lab-monitor.service",
        "inf2lab-failed@.service",
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


# What the first boot calls on an instance, played: each writes what it was asked, and answers as a healthy one.
PLAYED = {
    "apt-get": "exit 0",
    "apt-mark": "exit 0",
    "chown": "exit 0",
    "docker": "exit 0",
    "git": "exit 0",
    "install": 'for last; do :; done; mkdir -p "$last"',
    "modinfo": "exit 1",
    "sleep": "exit 0",
    "sudo": 'shift 2; "$@"',
    "systemctl": "exit 0",
    "usermod": "exit 0",
    "curl": 'case "$*" in *Tag.1.Value*) cat >/dev/null;; *security-credentials/role*) echo "$SECRET";; '
    "*security-credentials*) echo role;; *) echo us-east-2;; esac",
}
SECRET = '{"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI", "Token": "a/token+of=the session"}'
FOLDERS = (
    "etc/inf2lab",
    "etc/profile.d",
    "etc/systemd/system",
    "usr/local/sbin",
    "var/log",
    "sys/module/neuron",
    "home",
)


class Boot:
    """One first boot, played below a folder: its statuses, what it called, and the code that it ended with."""

    def __init__(self, folder: Path, *, driver: str = "2.25.4.0", repository: str = "", **programs: str) -> None:
        self.folder = folder
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        if driver:
            (folder / "sys/module/neuron/version").write_text(f"{driver}\n")
        (folder / "bin").mkdir()
        for name, text in (PLAYED | programs).items():
            path = folder / "bin" / name
            path.write_text(f'#!/bin/bash\nprintf "%s\\n" "{name} $*" >>{folder}/called\n{text}\n')
            path.chmod(0o755)
        script = user_data(VALUES | {"Repository": repository})
        for name in ("/etc/", "/usr/local/sbin", "/var/log", "/sys/module", "/home/"):
            script = script.replace(name, f"{folder}{name}")
        path = f"{folder}/bin:{folder}/usr/local/sbin:/usr/bin:/bin"
        done = subprocess.run(
            ["bash", "-c", script], env={"PATH": path, "SECRET": SECRET}, check=False, capture_output=True
        )
        self.code = done.returncode

    @property
    def called(self) -> list[str]:
        """Every played program with its arguments, in order."""
        return (self.folder / "called").read_text().splitlines()

    @property
    def statuses(self) -> list[str]:
        """What was written into the instance's tag."""
        return [found[1] for line in self.called if (found := re.search(r"Tag\.1\.Value=(.*?) https:", line))]


def test_a_first_boot_says_how_far_it_has_come_and_leaves_an_empty_instance_at_installed(tmp_path: Path) -> None:
    """A launch that returns before has an instance that bills and cannot be used; nobody knows for how long."""
    boot = Boot(tmp_path)
    assert (boot.code, boot.statuses) == (0, ["booted", "installed"])
    assert not [line for line in boot.called if line.startswith(("git clone", "systemctl start"))]


def test_with_a_repository_it_is_cloned_and_jupyter_says_ready_itself(tmp_path: Path) -> None:
    boot = Boot(tmp_path, repository=REPOSITORY)
    assert any(line.startswith(f"git clone --depth 1 -- {REPOSITORY}") for line in boot.called)
    assert "systemctl start --no-block inf2lab-jupyter.service" in boot.called
    unit = files_in(user_data(VALUES))["/etc/systemd/system/inf2lab-jupyter.service"]
    assert "ExecStartPost=-/usr/local/sbin/inf2lab-status ready http://127.0.0.1:8888/api" in unit
    assert "OnFailure=inf2lab-failed@%n.service" in unit


def test_the_driver_is_held_before_anything_is_upgraded(tmp_path: Path) -> None:
    """Unattended upgrades would bring a driver that refuses the container, on an instance that worked."""
    called = Boot(tmp_path).called
    assert called.index("apt-mark hold aws-neuronx-dkms") < called.index("apt-get -o DPkg::Lock::Timeout=600 update")


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        ("2.31.7.0", "failed: driver 2.31.7.0 refuses the runtime in the container: it has to be below 2.29"),
        ("2.29.0.0", "failed: driver 2.29.0.0 refuses the runtime in the container: it has to be below 2.29"),
        ("", "failed: no Neuron driver: is this a Neuron image?"),
    ],
)
def test_a_driver_that_refuses_the_container_is_seen_at_once(tmp_path: Path, driver: str, said: str) -> None:
    """An image of one's own may have any: after an hour of downloads nrt_init would say it, at the chip's price."""
    boot = Boot(tmp_path, driver=driver)
    assert (boot.code, boot.statuses) == (1, ["booted", said])


@pytest.mark.parametrize("driver", ["2.28.0.0", "2.9.4.0-8a6fdf29"])
def test_a_driver_below_the_bound_is_taken(tmp_path: Path, driver: str) -> None:
    assert Boot(tmp_path, driver=driver).statuses == ["booted", "installed"]


def test_apt_s_lock_is_waited_for_and_what_fails_is_tried_again(tmp_path: Path) -> None:
    """At the first boot unattended-upgrades holds the lock; without python3-venv nothing is set up, and it bills on."""
    often = f'[ $(grep -c "install -y git" {tmp_path}/called) -gt 2 ] || case "$*" in *git*) exit 100;; esac'
    boot = Boot(tmp_path, **{"apt-get": often})
    asked = [line for line in boot.called if line.startswith("apt-get")]
    assert all("DPkg::Lock::Timeout=600" in line for line in asked)
    assert sum("install -y git make python3-venv" in line for line in asked) == 3
    assert boot.statuses == ["booted", "installed"]


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        (
            {"apt-get": 'case "$*" in *git*) exit 100;; esac'},
            "failed: apt-get cannot install git, make and python3-venv",
        ),
        ({"git": "exit 128"}, "failed: git cannot clone the repository"),
        ({"systemctl": 'case "$*" in *docker*) exit 1;; esac'}, "failed: Docker does not start"),
        ({"apt-mark": "exit 100"}, "failed: the package aws-neuronx-dkms cannot be held: is this a Neuron image?"),
    ],
    ids=["apt", "git", "docker", "hold"],
)
def test_what_fails_for_good_is_said(tmp_path: Path, programs: dict[str, str], said: str) -> None:
    boot = Boot(tmp_path, repository=REPOSITORY, **programs)
    assert boot.code == 1
    assert boot.statuses[-1] == said


def test_the_notebooks_on_the_instance_know_their_lane_and_its_size(tmp_path: Path) -> None:
    """Without it the reader edits every notebook, and plans the cores of the article's instance on a smaller one."""
    unit = files_in(user_data(VALUES))["/etc/systemd/system/inf2lab-jupyter.service"]
    assert "Environment=INF2LAB_LANE=inf2 INF2LAB_INSTANCE=inf2.8xlarge" in unit
    Boot(tmp_path)
    shell = (tmp_path / "etc/profile.d/inf2lab.sh").read_text()
    assert shell == "export INF2LAB_LANE=inf2 INF2LAB_INSTANCE=inf2.8xlarge\n"


def test_sudo_works_where_the_notebooks_advise_it() -> None:
    """Their advice is read in Jupyter's terminal: a service with NoNewPrivileges has no sudo there."""
    assert "NoNewPrivileges" not in user_data(VALUES)


def _knows_signatures() -> bool:
    done = subprocess.run(["curl", "--help", "all"], capture_output=True, text=True, check=False)
    return "--aws-sigv4" in done.stdout


class Metadata(BaseHTTPRequestHandler):
    """The instance's metadata, and EC2's endpoint beside it."""

    answers: ClassVar[dict[str, str]] = {
        "/latest/meta-data/placement/region": "us-east-2",
        "/latest/meta-data/instance-id": "i-0123456789abcdef0",
        "/latest/meta-data/iam/security-credentials/": "role",
        "/latest/meta-data/iam/security-credentials/role": SECRET,
    }

    def do_GET(self) -> None:
        """Answers what is known."""
        self._answer(self.answers[self.path])

    def do_PUT(self) -> None:
        """Gives the token that metadata is asked with."""
        self._answer("key")

    def do_POST(self) -> None:
        """Keeps the call to EC2."""
        self.server.call = dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("")

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent."""


@pytest.mark.skipif(not _knows_signatures(), reason="this curl signs no calls to AWS: 7.75 does")
def test_the_call_that_writes_the_status_is_signed_as_aws_asks(tmp_path: Path) -> None:
    """botocore signs the same bytes with the same keys, and comes to the same signature."""
    script = files_in(user_data(VALUES))["/usr/local/sbin/inf2lab-status"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}"
        script = script.replace("http://169.254.169.254", here).replace("https://ec2.$region.amazonaws.com", here)
        status = "failed: a driver & more"
        done = subprocess.run(
            ["bash", "-c", script, "inf2lab-status", status], capture_output=True, text=True, check=False
        )
        server.shutdown()
    assert (done.returncode, done.stderr) == (0, "")
    headers, body = server.call
    assert dict(parse_qsl(body.decode())) == {
        "Action": "CreateTags",
        "Version": "2016-11-15",
        "ResourceId.1": "i-0123456789abcdef0",
        "Tag.1.Key": "inf2lab:status",
        "Tag.1.Value": status,
    }
    said = headers["Authorization"]
    signed = re.search(r"SignedHeaders=([\w;-]+)", said)[1].split(";")
    assert "x-amz-security-token" in signed
    assert signature(here, {name: headers[_spelled(headers, name)] for name in signed}, body) == said.rpartition("=")[2]


def _spelled(headers: dict[str, str], name: str) -> str:
    return next(key for key in headers if key.lower() == name)


def signature(url: str, headers: dict[str, str], body: bytes) -> str:
    """The signature that botocore gives to these headers and this body."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    keys = json.loads(SECRET)
    signer = SigV4Auth(Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"]), "ec2", "us-east-2")
    request = AWSRequest("POST", f"{url}/", data=body, headers=headers)
    request.context["timestamp"] = headers["x-amz-date"]
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


def test_the_counters_of_the_chip_are_exported_to_this_machine_alone() -> None:
    """Only a notebook read them, while it ran. The exporter of Neuron's tools has no option for its address."""
    unit = files_in(user_data(VALUES))["/etc/systemd/system/inf2lab-monitor.service"]
    assert "neuron-monitor | neuron-monitor-prometheus.py --port 8008" in unit
    assert "IPAddressDeny=any\nIPAddressAllow=localhost\n" in unit
    assert "ConditionPathExists=/opt/aws/neuron/bin/neuron-monitor-prometheus.py" in unit


def test_what_is_kept_is_fetched_before_the_notebooks_and_brought_while_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights and programs died with the instance, so each session paid for the download and the compilation."""
    made = files_in(user_data(KEEPING))
    assert not [path for path in files_in(user_data(VALUES)) if "keep" in path or "kept" in path]
    unit = made["/etc/systemd/system/inf2lab-kept.service"]
    assert "Before=inf2lab-jupyter.service" in unit
    assert unit.index("ExecStart=/usr/local/sbin/inf2lab-keep fetch") < unit.index(
        "ExecStop=/usr/local/sbin/inf2lab-keep"
    )
    assert "OnUnitActiveSec=10min" in made["/etc/systemd/system/inf2lab-bring.timer"]
    assert said_by(made["/usr/local/sbin/inf2lab-keep"], "fetch", tmp_path, monkeypatch) == [
        f"s3://my-bucket/inf2lab/kept/{part} {tmp_path}/inf2lab/cache/{part}"
        for part in ("huggingface/", "neuron-compile-cache/")
    ]
    assert said_by(made["/usr/local/sbin/inf2lab-keep"], "bring", tmp_path, monkeypatch) == [], "there is nothing yet"
    (tmp_path / "inf2lab" / "cache" / "huggingface").mkdir(parents=True)
    assert said_by(made["/usr/local/sbin/inf2lab-keep"], "bring", tmp_path, monkeypatch) == [
        f"{tmp_path}/inf2lab/cache/huggingface/ s3://my-bucket/inf2lab/kept/huggingface/"
    ]


def said_by(script: str, word: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From where to where the script has the AWS command line copy, with the home folder elsewhere."""
    (home / "bin").mkdir(exist_ok=True)
    played, calls = home / "bin" / "aws", home / "calls"
    played.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n')
    played.chmod(0o755)
    calls.write_text("")
    monkeypatch.setenv("PATH", f"{home}/bin:/usr/bin:/bin")
    text = script.replace("/home/ubuntu", str(home))
    assert text != script
    subprocess.run(["bash", "-c", text, "inf2lab-keep", word], check=True)
    lines = calls.read_text().splitlines()
    assert all(line.startswith("s3 sync --only-show-errors --exclude */blobs/*") for line in lines)
    return [" ".join(line.split()[-2:]) for line in lines]
