"""Docker's command line: run it, read what it knows of containers and images, and say in one sentence what is wrong."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inf2lab import catalog, paths
from inf2lab.errors import EngineError
from inf2lab.files import replace_file
from inf2lab.waits import told

OWNER = "inf2lab.owner"  # label of every container of a clone: its log folder
PATIENCE_S = 60
# What Docker says (`pattern`), what it means, and what to do. The rest of the table is in the catalog's troubles.
_REFUSALS = Path(__file__).with_name("refusals.json")


@dataclass(frozen=True)
class Container:
    """A container as Docker describes it. `state` is created, running, exited or dead."""

    id: str
    name: str
    state: str
    exit_code: int
    out_of_memory: bool
    owner: str

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state in ("running", "restarting", "paused")

    @property
    def is_ours(self) -> bool:
        """Whether this clone started it."""
        return self.owner == str(paths.logs())


def run_docker(*words: str, what: str, patience_s: float = PATIENCE_S) -> str:
    """Run `docker WORDS` and return its output; raises EngineError, which begins with `what`."""
    done = _run(words, what, patience_s)
    if done.returncode:
        raise _refusal(what, done.stderr or done.stdout)
    return done.stdout


def find(name: str) -> Container | None:
    """Return the container of that name or id, or None; raises EngineError."""
    what = f"docker inspect {name}"
    done = _run(("inspect", "--type", "container", name), what, PATIENCE_S)
    if done.returncode:
        if re.search("no such container", done.stderr, re.IGNORECASE):
            return None
        raise _refusal(what, done.stderr)
    (seen,) = json.loads(done.stdout)
    state: dict[str, Any] = seen["State"]
    return Container(
        id=seen["Id"],
        name=seen["Name"].removeprefix("/"),
        state=state["Status"],
        exit_code=state["ExitCode"],
        out_of_memory=state["OOMKilled"],
        owner=(seen["Config"].get("Labels") or {}).get(OWNER, ""),
    )


def list_owned(owner: str) -> list[str]:
    """Return the ids of a clone's containers, running or not; none where there is no engine to ask."""
    try:
        return list_labelled(f"{OWNER}={owner}")
    except EngineError:  # no engine, no container
        return []


def remove(container: str, *, patience_s: float) -> bool:
    """Ask a container to end, remove it, and return whether it was running; a missing one is no error."""
    seen = find(container)
    if seen is None:
        return False
    if seen.running:
        seconds = str(max(1, round(patience_s)))
        run_docker("stop", "-t", seconds, seen.id, what="docker stop", patience_s=patience_s + PATIENCE_S)
    done = _run(("rm", "--force", "--volumes", seen.id), "docker rm", PATIENCE_S)
    if done.returncode and not re.search("no such container|in progress", done.stderr, re.IGNORECASE):
        raise _refusal("docker rm", done.stderr)
    return seen.running


def list_labelled(label: str) -> list[str]:
    """Return the ids of the containers with a label (`name=value`), running or not; raises EngineError."""
    words = ("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}")
    return run_docker(*words, what="docker ps", patience_s=10).split()


def waiter(container: str) -> subprocess.Popen[bytes]:
    """Return a process that ends when the container does."""
    return subprocess.Popen(
        ["docker", "wait", container], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def save_log(container: str, path: Path) -> None:
    """Write everything that a container has printed to `path`, whole or not at all; raises EngineError."""
    with replace_file(path) as file:
        command = ["docker", "logs", container]
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=False)
        if done.returncode:
            file.seek(0)
            raise _refusal("docker logs", file.read().decode(errors="replace"))


def follow(container: str, lines: int) -> Iterator[str]:
    """Yield the last lines that a container printed and then each new one, until it ends."""
    with _start("logs", "--follow", "--tail", str(lines), container, what="docker logs") as process:
        try:
            for line in process.stdout or ():
                yield line.rstrip("\n")
        finally:
            process.terminate()


def has_image(image: str) -> bool:
    """Return whether the engine has the image; raises EngineError if there is no engine to ask."""
    done = _run(("image", "inspect", "--format", "{{.Id}}", image), "docker image inspect", PATIENCE_S)
    if done.returncode and not re.search("no such image", done.stderr, re.IGNORECASE):
        raise _refusal("docker image inspect", done.stderr)
    return done.returncode == 0


def digest(image: str) -> str | None:
    """Return `repository@sha256:...` of an image that was pulled; None for one that was made here."""
    words = ("image", "inspect", "--format", "{{json .RepoDigests}}", image)
    names = json.loads(run_docker(*words, what="docker image inspect")) or []
    return names[0] if names else None


def pull(image: str, report: Callable[[str], object]) -> None:
    """Fetch an image, with a line now and then on how many layers are there; raises EngineError."""
    started = time.monotonic()
    layers, done, said = 0, 0, ""
    with (
        _start("pull", image, what=f"docker pull {image}") as process,
        told(report, lambda: f"pulling: {done} of {layers} layers are here"),
    ):
        for line in process.stdout or ():  # none for minutes, where a layer is large
            layers += ": Pulling fs layer" in line or ": Already exists" in line
            done += ": Pull complete" in line or ": Already exists" in line
            said = line
    if process.returncode:
        raise _refusal(f"docker pull {image}", said)
    report(f"{time.monotonic() - started:.1f} s  image pulled ({layers} layers)")


def _start(*words: str, what: str) -> subprocess.Popen[str]:
    """Return the process of `docker WORDS`, whose stdout has all that it prints; raises EngineError."""
    try:
        return subprocess.Popen(["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        raise _no_docker(what) from None


def _run(words: tuple[str, ...], what: str, patience_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", *words], capture_output=True, text=True, errors="replace", timeout=patience_s, check=False
        )
    except FileNotFoundError:
        raise _no_docker(what) from None
    except subprocess.TimeoutExpired:
        reason = f"no answer within {patience_s:.0f} s"
        raise EngineError(what, reason, "look at the engine with `sudo systemctl status docker`") from None


def _no_docker(what: str) -> EngineError:
    remedy = "install it (`sudo apt-get install docker.io`), and add yourself to the group docker"
    return EngineError(what, "Docker is not installed", remedy)


def _refusal(what: str, text: str) -> EngineError:
    """Return the error for what Docker printed: its meaning where that is known, else its own last words."""
    for known in json.loads(_REFUSALS.read_text(encoding="utf-8")):
        if re.search(known["pattern"], text):
            remedy = known.get("remedy") or catalog.trouble(known["trouble"]).fix
            return EngineError(what, known["meaning"], remedy)
    words = " ".join(text.split()).removeprefix("docker: ").partition(" Run 'docker")[0][:300]
    words = words or "Docker said nothing"
    row = catalog.recognise(text)
    if row:
        return EngineError(what, f"{words} - {row.cause.rstrip('.')}", row.fix)
    return EngineError(what, words, "look at the engine with `docker info`")
