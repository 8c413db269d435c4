"""Fetches DJL's own Python worker from Maven, checks that it is the pinned one, and unpacks it once.

What was unpacked is checked too, at each start, and unpacked again when it is not what it was. The jar is a zip of
Python files; no Java is needed. `python -m rehearsal.server.workers.package` prints its folder.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rehearsal.server.environment import cache_root, process_environment
from rehearsal.server.errors import WorkerPackageError

DEFAULT_VERSION = "0.25.0"
PINS_FILE = Path(__file__).with_name("worker_packages.json")
ENGINE = "djl_python_engine.py"


def worker_package(version: str = DEFAULT_VERSION, environ: Mapping[str, str] | None = None) -> Path:
    """The folder of DJL's worker of this version, fetched and unpacked if need be.

    Raises WorkerPackageError: unknown version, no network on first use, a jar that is not the pinned one, or a cache
    that cannot be written.
    """
    pins = json.loads(PINS_FILE.read_text())
    pin = pins["versions"].get(version)
    if pin is None:
        known = ", ".join(pins["versions"])
        raise WorkerPackageError(
            f"DJL {version}: its Python worker ({pins['group']}:{pins['artifact']}) is not on the Maven mirror, so it "
            f"cannot be rehearsed; use {known}, whose worker is pinned by SHA-256"
        )
    environ = process_environment() if environ is None else environ
    try:
        # The digest in the name: a folder from another jar can never be taken for this one.
        folder = cache_root(environ) / "worker" / f"{version}-{pin['sha256'][:12]}"
        if not _is_whole(folder, pin):
            with _alone():
                if not _is_whole(folder, pin):  # still, after those who came first
                    jar = fetch_jar(pins["group"], pins["artifact"], version)
                    _unpack(_checked(jar, pin["sha256"]), folder, pin)
    except (OSError, RuntimeError) as error:  # the second: no home folder
        raise WorkerPackageError(
            f"DJL's Python worker cannot be kept in the cache: {error}; make room there, or name another folder with "
            "INF2LAB_CACHE"
        ) from error
    return folder


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time: downloads of one file into Maven's repository spoil each other, so the lock is there."""
    from jgo.constants import default_maven_repo  # as heavy as all of it

    path = default_maven_repo() / "rehearsal-fetch.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise WorkerPackageError(
            f"Maven's repository cannot be locked: {path}: {error.strerror}; remove what is there, let this user write "
            "in it, or name another folder with M2_REPO"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def digest_of(folder: Path) -> str:
    """One digest of all names and bytes in a folder, but for what Python compiles there."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            whole.update(f"{path.relative_to(folder).as_posix()} {digest}\n".encode())
    return whole.hexdigest()


def _is_whole(folder: Path, pin: Mapping[str, str]) -> bool:
    return (folder / ENGINE).is_file() and ("unpacked" not in pin or digest_of(folder) == pin["unpacked"])


def fetch_jar(group: str, artifact: str, version: str) -> Path:
    from jgo.maven import MavenContext  # heavy (0.3 s), and needed on the first start only

    try:
        project = MavenContext().project(group, artifact)
        path = project.at_version(version).artifact().resolve()
    except Exception as error:  # jgo lets requests', file and XML errors through: one sentence for all
        raise WorkerPackageError(
            f"DJL's Python worker {version} could not be fetched from Maven ({type(error).__name__}: {error}); "
            "connect once to fetch it: python -m rehearsal.server.workers.package"
        ) from error
    if path is None or not Path(path).is_file():
        raise WorkerPackageError(f"Maven has no {group}:{artifact}:{version}")
    return Path(path)


def _checked(jar: Path, expected: str) -> bytes:
    data = jar.read_bytes()
    actual = hashlib.sha256(data).hexdigest()
    if actual != expected:
        raise WorkerPackageError(
            f"{jar}: SHA-256 is {actual}, pinned is {expected}; delete the file and fetch it again"
        )
    return data


def _unpack(jar: bytes, folder: Path, pin: Mapping[str, str]) -> None:
    """Unpacks beside the target and renames, so that a half-written folder is never seen."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder.parent))
    try:
        with zipfile.ZipFile(io.BytesIO(jar)) as archive:
            names = [name for name in archive.namelist() if name.endswith(".py")]
            archive.extractall(partial, names)  # drops absolute paths and ".." itself
        if not (partial / ENGINE).is_file():
            raise WorkerPackageError(f"the jar of DJL's worker holds no {ENGINE}")
        partial.chmod(0o755)
        try:
            os.rename(partial, folder)
        except OSError:
            if not _is_whole(folder, pin):  # else another process was faster, with the same bytes
                shutil.rmtree(folder, ignore_errors=True)
                os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the worker's folder; exit code 2 with one sentence when it cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.server.workers.package", description=__doc__)
    parser.add_argument("--djl-version", default=DEFAULT_VERSION, metavar="V")
    try:
        print(worker_package(parser.parse_args(argv).djl_version))
    except WorkerPackageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
