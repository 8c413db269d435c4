"""Variables given beside a folder reach the server in either lane, and what the image cannot read is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inf2lab import Settings
from inf2lab.errors import LabError
from inf2lab.folder import Needs
from inf2lab.serving.docker_run import RunLine
from inf2lab.serving.rehearsal import RehearsalServer

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteFolder

BUILT_IN = {"option.entryPoint": "djl_python.transformers_neuronx"}
GIVEN = Settings(docker_options="-e OPTION_N_POSITIONS=512 -e PREDICT_TIMEOUT=33 -e MY_TOKEN=secret --shm-size 8g")


def test_the_rehearsals_server_gets_them_over_the_images_own(write_folder: WriteFolder) -> None:
    environment = RehearsalServer(GIVEN, write_folder("m", BUILT_IN)).environment()
    assert environment["OPTION_N_POSITIONS"] == "512"
    assert environment["PREDICT_TIMEOUT"] == "33"


def test_the_container_gets_them_as_they_were_written(write_folder: WriteFolder, tmp_path: Path) -> None:
    words = RunLine(GIVEN, write_folder("m", BUILT_IN), tmp_path, "image").words()
    assert words[-9:-2] == [
        "OPTION_N_POSITIONS=512",
        "-e",
        "PREDICT_TIMEOUT=33",
        "-e",
        "MY_TOKEN=secret",
        *words[-4:-2],
    ]


def test_a_rendering_and_a_plan_have_their_values_and_no_secret(write_folder: WriteFolder) -> None:
    needs = Needs(GIVEN, write_folder("m", BUILT_IN))
    assert needs.environment["OPTION_N_POSITIONS"] == "512"
    assert "MY_TOKEN" not in needs.environment
    assert (needs.n_positions, needs.predict_s) == (512, 33)


@pytest.mark.parametrize(
    ("model", "profile", "said"),
    [
        ("tiiuae/falcon-7b", "djl-0.25", "no generation of this stack serves `falcon`: it runs today on a GPU"),
        ("mistralai/Mistral-7B-v0.1", "djl-0.25", "no class for `mistral`.*take djl-0.26 or a later profile"),
        ("meta-llama/Llama-3.1-8B", "djl-0.25", r"transformers 4\.43\.0 on, and the image of 0\.25\.0 has 4\.34\.0"),
    ],
)
def test_a_model_that_the_image_cannot_read_is_refused_before_anything_starts(
    write_folder: WriteFolder, model: str, profile: str, said: str
) -> None:
    folder = write_folder("m", {**BUILT_IN, "option.model_id": model})
    with pytest.raises(LabError, match=said):
        RehearsalServer(Settings(profile=profile), folder).check()


def test_a_guess_by_a_models_name_refuses_nothing(write_folder: WriteFolder) -> None:
    folder = write_folder("m", {**BUILT_IN, "option.model_id": "somebody/zephyr-7b-of-mine"})
    RehearsalServer(Settings(), folder).check()
