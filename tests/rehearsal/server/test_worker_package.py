"""The worker package: fetched, checked, unpacked once, and said plainly when it cannot be had."""

from __future__ import annotations

import hashlib
import json
import zipfile

import pytest

from rehearsal.server.environment import cache_root
from rehearsal.server.errors import WorkerPackageError
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
