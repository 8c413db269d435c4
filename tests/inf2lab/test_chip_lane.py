"""The chip's lane whole, on a played instance: launch, look, serve, wait, ask, sweep; and what stops it where."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from typer.testing import CliRunner, Result

import run_notebooks
import write_manifests
from inf2lab import ModelFolder, aws, catalog, paths
from inf2lab.cli import app
from inf2lab.serving.registry import Published
from tests.support import played_aws
from tests.support.played_instance import NEW_DRIVER, OLD_DRIVER, PlayedInstance


@dataclass
class Lane:
    """A laptop with an account, a clone with the folder that notebook 04 writes, and the instance that is launched."""

    machine: PlayedInstance
    folder: ModelFolder
    monkeypatch: pytest.MonkeyPatch
    port: int

    def here(self, *words: str, code: int = 0) -> str:
        """Run a command on the laptop, and return what it prints."""
        return self._run(words, {}, code)

    def there(self, *words: str, code: int = 0) -> str:
        """Run a command on the instance, whose first boot has said which lane and instance it is."""
        variables = {"INF2LAB_LANE": "inf2", "INF2LAB_INSTANCE": self.instance, "INF2LAB_PORT": str(self.port)}
        with self.monkeypatch.context() as patch, self.machine.on_it(patch, self.port):
            return self._run(words, variables, code)

    def tutorial(self, *words: str) -> str:
        """Run the notebooks for the chip as `make run` does, and return what is said where none can start."""
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            assert run_notebooks.main(["-p", "lane", "inf2", *words]) == 2
        return errors.getvalue()

    @property
    def instance(self) -> str:
        """The instance that is launched when none is named."""
        return self.machine.read()["instance"]

    @property
    def log(self) -> Path:
        """What the container has printed."""
        return paths.logs() / f"server-{self.port}" / "console.log"

    def exchange(self, **choices: Any) -> None:
        """Put another machine in the place of the one that is there."""
        folder = self.machine.folder.with_name("another")
        self.machine = PlayedInstance.make(folder, instance_type=self.instance, **choices)

    def edit(self, old: str, new: str) -> None:
        """Change the one of the folder's files that has the text."""
        (path,) = [path for path in self.folder.path.iterdir() if old in path.read_text()]
        path.write_text(path.read_text().replace(old, new))

    def _run(self, words: tuple[str, ...], variables: dict[str, str], code: int) -> str:
        result: Result = CliRunner(env={"COLUMNS": "400", "NO_COLOR": "1", **variables}).invoke(app, list(words))
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output


@pytest.fixture
def lane(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> Iterator[Lane]:
    """The lane with nothing wrong in it."""
    for name, value in played_aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(played_aws.PROGRAMS), prepend=os.pathsep)
    monkeypatch.setattr("inf2lab.aws.connection.LAUNCHED_HERE", Path("/nowhere"))
    monkeypatch.setattr("inf2lab.aws.connection.time.sleep", lambda seconds: None)
    for place in ("inf2lab.doctor.registry", "inf2lab.serving.registry"):
        monkeypatch.setattr(f"{place}.ask_registry", lambda image: Published(image, True, "it is there"))
    (clone / "requirements.txt").write_text(f"psutil=={psutil.__version__}\n")
    folder = write_manifests.folder_of_the_notebook(clone / "models")
    play = BotocoreStubber.process_request
    monkeypatch.setattr(
        BotocoreStubber,
        "process_request",
        lambda self, request: None if hasattr(request, "refused") else play(self, request),
    )
    with mock_aws():
        played_aws.put_in(["us-east-2"])
        yield Lane(
            PlayedInstance.make(tmp_path / "machine", instance_type="inf2.8xlarge"), folder, monkeypatch, free_port
        )


def test_from_the_launch_to_the_sweep_with_what_is_taken_when_nothing_is_said(lane: Lane) -> None:
    launched = lane.here("launch", "--lane", "inf2", "--confirm")
    assert "ec2 run_instances: done" in launched
    (run,) = aws.open_runs()
    assert run.instance == lane.instance
    looked = lane.there("doctor")
    assert "MISSING" not in looked.upper().replace("MISSING PACKAGES", "")
    began = lane.machine.clock()
    served = lane.there("serve", str(lane.folder.path))
    assert f"ready at http://127.0.0.1:{lane.port}" in served
    assert 20 < (lane.machine.clock() - began).total_seconds() / 60 < 60
    assert lane.there("call", "Hello, I am", "Welcome to") == "[1] Hello, I am and so on\n[2] Welcome to and so on\n"
    assert "stopped" in lane.there("stop")
    assert "nothing is left, nothing bills" in lane.here("sweep")


@dataclass(frozen=True)
class Fault:
    """One of the seven that blocked the way, put back: how, where it is met, in which words, and whether that bills."""

    put_back: Callable[[Lane], object]
    meet: Callable[[Lane], str]
    words: str
    billed: bool = False
    marks: tuple[pytest.MarkDecorator, ...] = ()


def only_the_newest_image(lane: Lane) -> None:
    """AWS has the image of the newest SDK and no other."""
    from moto.ec2.models import ec2_backends

    images = ec2_backends[played_aws.ACCOUNT]["us-east-2"].amis
    for name in [name for name, image in images.items() if "2.32.0" not in image.description]:
        del images[name]


def nodes_of_the_newest_image(lane: Lane) -> None:
    """The pin of a cluster's nodes is taken away."""
    facts = catalog.kubernetes_facts()
    newest = replace(facts, machine_image=replace(facts.machine_image, alias="al2023@latest", driver=NEW_DRIVER))
    lane.monkeypatch.setattr("inf2lab.scale.kubernetes.values.catalog.kubernetes_facts", lambda: newest)


LAUNCH = ("launch", "--lane", "inf2", "--confirm")
FAULTS = {
    "B1 AWS has only images with the newest driver": Fault(
        only_the_newest_image, lambda lane: lane.here(*LAUNCH, code=2), r"no image fits.*below 2\.29"
    ),
    "B1 an image with the newest driver is named": Fault(
        lambda lane: None,
        lambda lane: lane.here(*LAUNCH, "--image", "ami-0ubuntu2026new", code=2),
        r"the driver does not fit.*2\.30\.2\.0.*below 2\.29",
    ),
    "B1 the instance's driver is too new, and the doctor looks": Fault(
        lambda lane: lane.exchange(driver=NEW_DRIVER),
        lambda lane: lane.there("doctor", code=1),
        r"2\.31\.7\.0.*below 2\.29",
        billed=True,
    ),
    "B1 the instance's driver is too new, and nobody has looked": Fault(
        lambda lane: lane.exchange(driver=NEW_DRIVER),
        lambda lane: lane.there("serve", str(lane.folder.path), code=2) + lane.there("explain", str(lane.log), code=1),
        r"did not load.*Runtime could not be initialized(?s:.*)Updating the driver makes it worse",
        billed=True,
        marks=(pytest.mark.thorough,),
    ),
    "B1 the instance's driver is too old": Fault(
        lambda lane: lane.exchange(driver=OLD_DRIVER),
        lambda lane: lane.there("doctor", code=1),
        r"2\.5\.0\.0.*2\.14\.5\.0 or later",
        billed=True,
    ),
    "B2 a cluster's nodes take the newest image": Fault(
        nodes_of_the_newest_image,
        lambda lane: lane.here("scale", "kubernetes", str(lane.folder.path), code=2),
        r"al2023@latest.*has driver 2\.31\.7\.0.*below 2\.29",
    ),
    "B3 a cell of the tutorial is given less than a load": Fault(
        lambda lane: None,
        lambda lane: lane.tutorial("--cell-timeout", "900"),
        r"cell-timeout 900: a first load on the chip may take 7200 s",
    ),
    "B4 the folder gives a load twenty minutes, and the linter looks": Fault(
        lambda lane: lane.edit("model_loading_timeout=7200", "model_loading_timeout=1200"),
        lambda lane: lane.here("lint", str(lane.folder.path)),
        r"L001 warning 1200 s to load win.*a first load may take",
    ),
    "B4 the folder gives a load twenty minutes, and nobody has looked": Fault(
        lambda lane: lane.edit("model_loading_timeout=7200", "model_loading_timeout=1200"),
        lambda lane: lane.there("serve", str(lane.folder.path), code=2) + lane.there("explain", str(lane.log), code=1),
        r"did not load: java\.util\.concurrent\.TimeoutException(?s:.*)Loading takes longer than the timeout",
        billed=True,
        marks=(pytest.mark.thorough,),
    ),
    "B5 the handler reads f32 where a pod has 54 GiB, and the plan looks": Fault(
        lambda lane: lane.edit('torch_dtype="auto", ', ""),
        lambda lane: lane.here("plan", str(lane.folder.path), "--instance", "inf2.xlarge"),
        r"up to 59 of 16 GiB \(read in f32",
    ),
    "B5 the handler reads f32 where a pod has 54 GiB, and the doctor looks": Fault(
        lambda lane: (lane.edit('torch_dtype="auto", ', ""), lane.exchange(host_gib=54)),
        lambda lane: lane.there("doctor"),
        r"54 GiB; loading takes up to 59, read in f32",
        billed=True,
    ),
    "B5 the handler reads f32 where a pod has 54 GiB, and nobody has looked": Fault(
        lambda lane: (lane.edit('torch_dtype="auto", ', ""), lane.exchange(host_gib=54)),
        lambda lane: lane.there("serve", str(lane.folder.path), code=2),
        r"did not load: the kernel killed it",
        billed=True,
    ),
    "B6 an endpoint of twelve workers": Fault(
        lambda lane: None,
        lambda lane: lane.here(
            *("scale", "sagemaker", str(lane.folder.path), "--instance", "inf2.48xlarge"),
            *("--bucket", "lab", "--lane", "inf2", "--confirm"),
            code=2,
        ),
        r"12 x \d+ s to load.*SageMaker waits 3600 s at most.*inf2\.8xlarge",
    ),
    "B7 a launch without a repository": Fault(
        lambda lane: None, lambda lane: lane.here(*LAUNCH), r"these four lines fill it(?s:.*)git clone", billed=True
    ),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=fault.marks) for name, fault in FAULTS.items()])
def test_each_fault_put_back_stops_at_its_place_in_its_words(name: str, lane: Lane) -> None:
    fault = FAULTS[name]
    fault.put_back(lane)
    said = fault.meet(lane)
    assert re.search(fault.words, said), said
    assert fault.billed or not aws.all_runs(), "it stops before anything is rented"
