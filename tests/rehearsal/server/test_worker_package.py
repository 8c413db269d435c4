"""The worker package: fetched, checked, unpacked once, and said plainly when it cannot be had."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from rehearsal.server import server
from rehearsal.server.config import Flags, load_config
from rehearsal.server.environment import cache_root
from rehearsal.server.errors import SetupError, WorkerPackageError
from rehearsal.server.logs import ServerLog
from rehearsal.server.workers import package as module


@pytest.fixture
def jar(tmp_path, monkeypatch):
    """A small jar that stands for Maven's, pinned by its real digest."""
    path = tmp_path / "python.jar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("djl_python_engine.py", "print('engine')\n")
        archive.writestr("djl_python/__init__.py", "")
        archive.writestr("../outside.py", "")
        archive.writestr("ai/djl/Some.class", "")
    pins = json.loads(module.PINS_FILE.read_text())
    pins["versions"] = {"1.0": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}
    (tmp_path / "pins.json").write_text(json.dumps(pins))
    monkeypatch.setattr(module, "PINS_FILE", tmp_path / "pins.json")
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    fetched = []
    monkeypatch.setattr(module, "fetch_jar", lambda *args: fetched.append(args) or path)
    return path, fetched


def test_it_is_unpacked_once_into_the_cache(jar, tmp_path):
    environ = {"INF2LAB_CACHE": str(tmp_path / "cache")}
    folder = module.worker_package("1.0", environ)
    assert folder == module.worker_package("1.0", environ)
    assert len(jar[1]) == 1
    assert folder.is_relative_to(tmp_path / "cache")
    assert (folder / "djl_python_engine.py").is_file()
    assert not (folder / "ai").exists()
    assert not (folder.parent / "outside.py").exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing half-written is left


def test_who_comes_while_it_is_fetched_waits_and_takes_it(jar, tmp_path, monkeypatch):
    environ = {"INF2LAB_CACHE": str(tmp_path / "cache")}
    fetch, at_once = module.fetch_jar, []

    def slowly(*args):
        at_once.append(args)
        time.sleep(0.1)  # without a lock the others come meanwhile
        return fetch(*args)

    monkeypatch.setattr(module, "fetch_jar", slowly)
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: module.worker_package("1.0", environ), range(4)))
    assert len(set(folders)) == len(at_once) == 1


def test_the_lock_is_where_they_all_fetch_to(jar, tmp_path, monkeypatch):
    """One of each temporary folder did not part those who fetch into one repository."""
    fetch, taken = module.fetch_jar, []

    def look(*args):
        with (tmp_path / "m2" / "rehearsal-fetch.lock").open() as file, pytest.raises(BlockingIOError) as caught:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken.append(caught.type)
        return fetch(*args)

    monkeypatch.setattr(module, "fetch_jar", look)
    module.worker_package("1.0", {"INF2LAB_CACHE": str(tmp_path / "cache")})
    assert taken == [BlockingIOError]


@pytest.mark.parametrize("there", ["a folder", "a link", "a file for the repository", "a read-only disk"])
def test_a_lock_that_cannot_be_had_is_not_told_as_the_cache(jar, tmp_path, monkeypatch, there):
    repository = tmp_path / "m2"
    lock = repository / "rehearsal-fetch.lock"
    if there == "a folder":
        lock.mkdir(parents=True)
    elif there == "a link":
        repository.mkdir()
        lock.symlink_to(tmp_path / "a person's")
    elif there == "a file for the repository":
        repository.write_text("")
    else:
        monkeypatch.setenv("M2_REPO", "/proc/inf2lab")
    with pytest.raises(WorkerPackageError, match=r"Maven's repository cannot be locked.*M2_REPO") as caught:
        module.worker_package("1.0", {"INF2LAB_CACHE": str(tmp_path / "cache")})
    assert "INF2LAB_CACHE" not in str(caught.value)
    assert not (tmp_path / "a person's").exists()  # no link is followed
    assert not jar[1]


@pytest.mark.parametrize("change", ["a line more", "cut off", "gone", "a file more", "compiled"])
def test_a_worker_that_was_changed_is_unpacked_again(jar, tmp_path, change):
    environ = {"INF2LAB_CACHE": str(tmp_path / "cache")}
    folder = module.worker_package("1.0", environ)
    pins = json.loads(module.PINS_FILE.read_text())
    pins["versions"]["1.0"]["unpacked"] = whole = module.digest_of(folder)
    module.PINS_FILE.write_text(json.dumps(pins))
    engine = folder / "djl_python_engine.py"
    {
        "a line more": lambda: engine.write_text(engine.read_text() + "import os\n"),
        "cut off": lambda: engine.write_text(engine.read_text()[:5]),
        "gone": lambda: shutil.rmtree(folder / "djl_python"),
        "a file more": lambda: (folder / "json.py").write_text("import os\n"),
        "compiled": lambda: (folder / "__pycache__").mkdir() or (folder / "__pycache__" / "x.pyc").write_bytes(b"x"),
    }[change]()
    assert module.worker_package("1.0", environ) == folder
    assert module.digest_of(folder) == whole
    assert len(jar[1]) == (1 if change == "compiled" else 2)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_digest_of_the_real_one_is_pinned(monkeypatch):
    monkeypatch.setattr(module, "fetch_jar", lambda *_: pytest.fail("it is whole"))
    pin = json.loads(module.PINS_FILE.read_text())["versions"]["0.25.0"]
    assert module.digest_of(module.worker_package()) == pin["unpacked"]


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/inf2lab", "/dev/full"])
def test_a_cache_that_cannot_be_written_is_one_sentence_with_a_remedy(jar, tmp_path, place):
    (tmp_path / "file").write_text("a person's")
    with pytest.raises(WorkerPackageError, match=r"make room there, or name another folder with INF2LAB_CACHE"):
        module.worker_package("1.0", {"INF2LAB_CACHE": str(tmp_path / place)})


@pytest.mark.parametrize("error", [WorkerPackageError("a sentence"), OSError(28, "No space left"), RuntimeError("x")])
def test_a_server_without_its_worker_ends_whatever_the_reason(monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(server, "worker_package", fails)
    with pytest.raises(SetupError):
        asyncio.run(asyncio.wait_for(server.Server(load_config(Flags(), {}), ServerLog()).run(), 20))


def test_another_jar_is_refused(jar, tmp_path):
    jar[0].write_bytes(jar[0].read_bytes() + b"more")
    with pytest.raises(WorkerPackageError, match=r"SHA-256 is .* pinned is"):
        module.worker_package("1.0", {"INF2LAB_CACHE": str(tmp_path / "cache")})
    assert not (tmp_path / "cache").exists()


def test_other_versions_are_a_clear_error(capsys):
    assert module.main(["--djl-version", "0.30.0"]) == 2
    assert "0.30.0" in (err := capsys.readouterr().err)
    assert "not on the Maven mirror" in err


def test_the_real_one(capsys):
    assert module.main([]) == 0
    assert capsys.readouterr().out.strip().endswith("0.25.0-f526d2b6ea3e")


def test_cache_root_follows_the_environment(tmp_path):
    assert cache_root({"INF2LAB_CACHE": str(tmp_path)}) == tmp_path
    assert cache_root({}).name == "inf2lab"
