"""docker/ray.Dockerfile, line by line, without its base image: what it copies and sets is all that a replica needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from inf2lab import Settings
from inf2lab.scale.ray.bench.light_folder import light_folder
from inf2lab.scale.ray.environment import environment_python
from inf2lab.scale.ray.manifest import ray_service

Image = tuple[Path, dict[str, str]]


@pytest.fixture
def lines(root: Path) -> list[tuple[str, str]]:
    """The instructions, as (name, rest)."""
    text = (root / "docker" / "ray.Dockerfile").read_text()
    found = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in found]


@pytest.fixture
def image(root: Path, lines: list[tuple[str, str]], tmp_path: Path) -> Image:
    """A folder that holds what is copied, and the variables, which point into that folder."""
    place, variables = tmp_path / "image", {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for name, rest in lines:
        if name == "COPY":
            source, target = rest.split()
            there = place / target.lstrip("/") / ("" if not target.endswith("/") else source)
            there.parent.mkdir(parents=True, exist_ok=True)
            if (root / source).is_dir():
                shutil.copytree(root / source, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(root / source, there)
        elif name == "ENV":
            pairs = (pair.split("=", 1) for pair in rest.split())
            variables |= {key: value.replace("/opt/", f"{place}/opt/") for key, value in pairs}
    return place, variables | {"PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def described(tmp_path: Path) -> dict[str, Any]:
    """What the manifest passes to a replica."""
    service = ray_service(Settings(), light_folder(at=tmp_path / "light"))[-1].body
    return yaml.safe_load(service["spec"]["serveConfigV2"])["applications"][0]["args"]


@pytest.fixture
def server() -> Iterator[str]:
    """The address of something that is healthy."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Healthy) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def files(place: Path) -> set[Path]:
    return set(place.rglob("*"))


def run(image: Image, python: Path | str, code: str, told: object = None) -> str:
    """Run code as a process of the image would: its variables, another folder, nothing of this repository."""
    place, variables = image
    (place / "home").mkdir(exist_ok=True)
    done = subprocess.run(
        [python, "-c", code],
        input=json.dumps(told),
        env=variables,
        cwd=place / "home",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


REPLICA = """
import json, sys
from inf2lab import paths
from inf2lab.scale.ray import server
from inf2lab.scale.ray.spec import RaySpec
spec = RaySpec.from_dict(json.load(sys.stdin))
beside = server.begin(spec)
print(json.dumps([beside.url, beside.answers(), str(paths.root()), server.__file__]))
"""


def test_a_replica_finds_its_server_with_what_is_copied_and_writes_nothing_there(
    image: Image, described: dict[str, Any], server: str
) -> None:
    place, variables = image
    before = files(place / "opt")
    url, answers, root, module = json.loads(
        run(image, sys.executable, REPLICA, described | {"url": server, "folder": "/opt/ml/model/light"})
    )
    assert (url, answers) == (server, True)
    assert root == variables["INF2LAB_ROOT"] == str(place / "opt" / "inf2lab")
    assert Path(module).is_relative_to(place)
    assert files(place / "opt") == before


def test_what_is_installed_beside_ray_is_what_the_replicas_import(image: Image, lines: list[tuple[str, str]]) -> None:
    """The very command of the image, but for pip."""
    (install,) = [rest for name, rest in lines if name == "RUN"]
    choose, _, pip = install.partition(" && ")
    assert pip == "pip install --no-cache-dir -r /tmp/more.txt"
    subprocess.run(["sh", "-ec", choose.replace("/tmp/", f"{image[0]}/tmp/")], check=True)
    chosen = re.findall("^([a-z0-9]+)==", (image[0] / "tmp" / "more.txt").read_text(), re.MULTILINE)
    assert chosen == ["requests", "javaproperties", "psutil", "aiohttp"]


def test_nothing_is_run_where_only_root_may_write(lines: list[tuple[str, str]]) -> None:
    """What COPY brings belongs to root; the base image's user is 1000, and so are the pods."""
    assert "USER" not in dict(lines)
    for name, rest in lines:
        assert name != "RUN" or not re.search(r"/opt|/usr|/etc", rest), rest


def test_the_application_is_imported_beside_ray_and_the_pins_agree_with_it(
    image: Image, scale_environment: None
) -> None:
    told = "import inf2lab.scale.ray.app as app; print(app.__file__, app.build.__name__)"
    path, name = run(image, environment_python(), told).splitlines()[-1].split()
    assert Path(path).is_relative_to(image[0])
    assert name == "build"
    words = [environment_python(), "-m", "pip", "check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
