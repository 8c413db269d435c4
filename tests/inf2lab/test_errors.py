"""inf2lab.errors: every class says its values, survives pickling, and hangs where the tree says."""

from __future__ import annotations

import pickle

import pytest

from inf2lab import errors
from inf2lab.checks import CheckFailed
from inf2lab.errors import LabError

SAMPLES: list[tuple[LabError, list[str]]] = [
    (errors.LabError("no repository around /tmp"), ["no repository around /tmp"]),
    (errors.SettingsError("port", 0, "must be from 1 to 65535"), ["port=0", "from 1 to 65535"]),
    (errors.FolderError("models/x", "no such model folder"), ["models/x", "no such model folder"]),
    (errors.StandInError("acme/llm", "not known here"), ["acme/llm", "not known here"]),
    (errors.ServerError("profile x cannot be rehearsed"), ["profile x cannot be rehearsed"]),
    (errors.PortInUse(8080, "java (process 7)"), ["8080", "java (process 7)", "inf2lab stop", "8081"]),
    (
        errors.EngineError("docker pull x", "there is no such image", "check the name"),
        ["docker pull x: there is no such image; check the name"],
    ),
    (
        errors.LoadFailed("opt13b", "KeyError: 'fp16'", "logs/console.log"),
        ["opt13b", "KeyError: 'fp16'", "logs/console.log"],
    ),
    (errors.NotReady("opt13b", 1200.4, "Start process"), ["opt13b", "1200 s", "'Start process'", "wait_ready"]),
    (errors.MeasureError("prompts.txt: holds no prompt"), ["prompts.txt", "holds no prompt"]),
    (errors.EndpointError(424, "prediction failure", "{...}\n"), ["424 prediction failure: {...}"]),
    (errors.EndpointDown("http://127.0.0.1:9"), ["http://127.0.0.1:9", "inf2lab serve"]),
    (CheckFailed("two texts: look at the log"), ["two texts: look at the log"]),
]


def every_class(base: type[LabError]) -> set[type[LabError]]:
    return {base}.union(*(every_class(kind) for kind in base.__subclasses__()))


def test_every_class_has_a_sample_here() -> None:
    # A package with errors of its own (cloud, drills) tests them; whether it was imported yet must not matter here.
    here = {kind for kind in every_class(LabError) if kind.__module__ in ("inf2lab.errors", "inf2lab.checks")}
    assert {type(error) for error, _ in SAMPLES} == here


@pytest.mark.parametrize(("error", "said"), SAMPLES, ids=lambda value: type(value).__name__)
def test_an_error_survives_pickling_with_its_message_and_fields(error: LabError, said: list[str]) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize(("error", "said"), SAMPLES, ids=lambda value: type(value).__name__)
def test_a_message_is_one_sentence_with_the_values(error: LabError, said: list[str]) -> None:
    assert "\n" not in str(error)
    for text in said:
        assert text in str(error)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (errors.PortInUse, errors.ServerError),
        (errors.EngineError, errors.ServerError),
        (errors.LoadFailed, errors.ServerError),
        (errors.NotReady, errors.ServerError),
        (errors.EndpointDown, errors.EndpointError),
    ],
)
def test_callers_can_catch_by_branch(kind: type[LabError], base: type[LabError]) -> None:
    assert issubclass(kind, base)


def test_nothing_listening_is_no_http_status() -> None:
    down = errors.EndpointDown("http://127.0.0.1:9/ping")
    assert (down.status, down.url) == (0, "http://127.0.0.1:9/ping")
