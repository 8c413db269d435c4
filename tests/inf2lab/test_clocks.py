"""Every pair of clocks: who waits for somebody else's patience waits longer than that."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import yaml

import run_notebooks
from inf2lab import ModelFolder, Server, Settings, catalog
from inf2lab.endpoint import Endpoint
from inf2lab.folder import LOAD_MARGIN_S, Needs
from inf2lab.measure import Load
from inf2lab.planning import request_of, slowest_load_s
from inf2lab.scale import kubernetes
from inf2lab.scale.ray.spec import RaySpec

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteFolder

CHIP = Settings(lane="inf2")
STATED = {"option.model_id": "facebook/opt-13b", "option.tensor_parallel_degree": 2}
LONG = STATED | {"option.model_loading_timeout": 9000, "option.predict_timeout": 700}


@pytest.fixture(params=[STATED, LONG], ids=["defaults", "the folder's own"])
def folder(request: pytest.FixtureRequest, write_folder: WriteFolder) -> ModelFolder:
    """A folder that leaves the clocks to the lab, and one that states them."""
    return write_folder("opt13b", request.param)


@pytest.fixture
def needs(folder: ModelFolder) -> Needs:
    """What that folder asks."""
    return Needs(CHIP, folder)


def variables(words: list[str]) -> dict[str, str]:
    """What a `docker run` line passes with -e."""
    passed = [word for option, word in itertools.pairwise(words) if option == "-e"]
    return dict(word.split("=", 1) for word in passed)


def test_the_server_is_told_what_everybody_else_waits_for(folder: ModelFolder, needs: Needs) -> None:
    passed = variables(Server.of(CHIP, folder.path).command())
    assert (int(passed["MODEL_LOADING_TIMEOUT"]), int(passed["PREDICT_TIMEOUT"])) == (needs.loading_s, needs.predict_s)


def test_a_load_is_waited_for_longer_than_it_may_take(folder: ModelFolder, needs: Needs) -> None:
    """The wait ended after the profile's 20 minutes, whatever the folder said."""
    for settings in (CHIP, Settings()):
        server = Server.of(settings, folder.path)
        assert server.needs.ready_s(server.workers) > needs.loading_s


def test_a_cell_of_the_tutorial_outlasts_two_first_loads_on_the_chip() -> None:
    """`make run` gave up after 900 s while a first load takes longer."""
    first = catalog.loading_facts().first_load_s
    assert run_notebooks.cell_timeout_s("inf2") >= max(7200, first + LOAD_MARGIN_S)
    assert run_notebooks.cell_timeout_s("rehearsal") == run_notebooks.cell_timeout_s(None) == 900


def test_a_client_waits_longer_than_the_server(folder: ModelFolder, needs: Needs) -> None:
    assert Server.of(CHIP, folder.path).endpoint.timeout_s > needs.predict_s
    default = catalog.loading_facts().predict_s
    assert Endpoint("http://127.0.0.1:8080", "m").timeout_s > default
    assert Load(requests=1).timeout_s > default


def test_a_warm_load_is_given_less_than_a_first_one_and_no_more_than_sagemaker_has() -> None:
    facts = catalog.loading_facts()
    assert facts.warm_load_s < facts.first_load_s
    assert facts.warm_load_s <= catalog.sagemaker_facts().startup_s[1]


def test_one_worker_loads_within_what_sagemaker_waits_and_twelve_do_not() -> None:
    longest = catalog.sagemaker_facts().startup_s[1]
    assert slowest_load_s(request_of(Settings()), 1) + LOAD_MARGIN_S <= longest
    assert slowest_load_s(request_of(Settings()), 12) > longest


def test_an_invocation_on_sagemaker_ends_before_any_other_clock() -> None:
    assert catalog.sagemaker_facts().invocation_s < catalog.loading_facts().predict_s


def test_a_pods_probes_outlast_loading_and_its_end_outlasts_an_answer(folder: ModelFolder, needs: Needs) -> None:
    (document,) = kubernetes.render(CHIP, folder).documents()["deployment.yaml"]
    spec = document.body["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= needs.ready_s(needs.workers)
    assert spec["progressDeadlineSeconds"] > probe["periodSeconds"] * probe["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] > container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] > needs.predict_s


def test_a_ray_replica_outlasts_loading_and_answers(folder: ModelFolder, needs: Needs) -> None:
    spec = RaySpec.of(CHIP, folder)
    assert spec.loading_s >= needs.loading_s
    assert spec.deployment_options["graceful_shutdown_timeout_s"] > needs.predict_s


def test_the_compose_file_has_the_same_clocks(root: Path) -> None:
    (service,) = yaml.safe_load((root / "docker" / "compose.yaml").read_text())["services"].values()
    facts, told = catalog.loading_facts(), service["environment"]
    assert (int(told["MODEL_LOADING_TIMEOUT"]), int(told["PREDICT_TIMEOUT"])) == (facts.first_load_s, facts.predict_s)
