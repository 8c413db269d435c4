"""The linter and the rehearsal server agree: a line that ends a load is an error, and a number means the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inf2lab import ModelFolder, Settings
from inf2lab.folder import Needs
from inf2lab.lint import Target, lint
from inf2lab.lint.finding import Severity
from rehearsal.server.config import Flags, load_config
from rehearsal.server.errors import ApiError
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device, parse_device
from rehearsal.server.models.info import ModelInfo, Registration

CODE = "def handle(inputs):\n    return None\n"
# A line, and whether the server loads a folder with it.
LINES = {
    b"minWorkers=-1\n": False,
    b"option.nc.minWorkers=-1\n": False,
    b"minWorkers=0\n": True,
    b"maxWorkers=-1\n": True,
    b"minWorkers=\n": False,
    b"maxWorkers=x\n": False,
    b"batch_size=\n": False,
    b"job_queue_size=0\n": False,
    b"job_queue_size=-2\n": False,
    b"max_idle_time=\n": False,
    b"engine=\n": False,
    b"engine=MPI\n": False,
    b"engine=DeepSpeed\n": False,
    b"option.mpi_mode=true\n": False,
    b"option.mpi_mode=false\n": True,
    b"option.tensor_parallel_degree=\n": False,
    b"option.model_loading_timeout=0\n": True,
    b"load_on_devices=nc0;\n": True,
    b"load_on_devices= nc0;nc1\n": True,
    b"load_on_devices=nc0; nc1\n": False,
    b"load_on_devices=NC0\n": False,
    b"load_on_devices=0\n": False,
    b"load_on_devices=*\n": True,
    b"option.x=\xff\n": False,
    b"# caf\xe9\n": False,
    b"option.x=\\u12\n": False,
}


def served(folder: Path) -> ModelInfo:
    """The model as the server reads it; raises what it refuses a load with."""
    config = load_config(Flags(neuron_cores=2), {})
    info = ModelInfo(Registration("m", str(folder)), config)
    info.configure(ServerLog())
    if info.job_queue_size <= 0:
        raise ApiError.illegal_argument("")
    for name in info.devices():
        device = parse_device(name)
        if device.kind == "gpu":
            raise ApiError.illegal_argument("No GPU device detected.")
        _ = info.cores_wanted
        info.load(device)
        if info.worker_range(device)[0] < 0:
            raise ApiError.illegal_argument("fromIndex")
    return info


def loads(folder: Path) -> bool:
    try:
        served(folder)
    except ApiError:
        return False
    return True


def written(folder: Path, lines: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "serving.properties").write_bytes((b"" if b"engine" in lines else b"engine=Python\n") + lines)
    (folder / "model.py").write_text(CODE)
    return folder


@pytest.mark.parametrize(("line", "does_load"), LINES.items(), ids=lambda value: str(value)[:40])
def test_a_line_that_ends_the_load_is_an_error(tmp_path: Path, line: bytes, *, does_load: bool) -> None:
    folder = written(tmp_path / "m", line)
    errors = [
        str(f) for f in lint(folder, Target("djl-0.25", "inf2.24xlarge")).findings if f.severity is Severity.ERROR
    ]
    assert (loads(folder), not errors) == (does_load, does_load), errors


LIMITS = [f"{option}{kind}{name}" for option in ("", "option.") for kind in ("", "nc.") for name in ("min", "max")]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(LIMITS), st.sampled_from([-1, 0, 1, 2, 3]), max_size=4))
def test_limits_of_workers_mean_the_same(tmp_path_factory: pytest.TempPathFactory, limits: dict[str, int]) -> None:
    """The most cuts the least, a most of 0 or below is not stated, and an option counts like a plain key."""
    lines = "".join(f"{key}Workers={value}\n" for key, value in limits.items())
    folder = written(tmp_path_factory.mktemp("limits") / "m", lines.encode())
    stated = Needs(Settings(), ModelFolder(folder)).stated
    assert stated.workers_a_group == _range(folder)


def _range(folder: Path) -> tuple[int, int]:
    info = ModelInfo(Registration("m", str(folder)), load_config(Flags(), {}))
    info.configure(ServerLog())
    return info.worker_range(Device("nc", 0))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([0, 1, 90, 7200]), st.sampled_from([0, 5, 600]))
def test_timeouts_mean_the_same(tmp_path_factory: pytest.TempPathFactory, loading: int, predict: int) -> None:
    """0 is not stated: then the plan and the container it describes state what they think right."""
    lines = f"option.model_loading_timeout={loading}\noption.predict_timeout={predict}\n"
    folder = written(tmp_path_factory.mktemp("timeouts") / "m", lines.encode())
    needs = Needs(Settings(), ModelFolder(folder))
    told = {name: needs.environment[name] for name in ("MODEL_LOADING_TIMEOUT", "PREDICT_TIMEOUT")}
    info = ModelInfo(Registration("m", str(folder)), load_config(Flags(), told))
    info.configure(ServerLog())
    assert (needs.loading_s, needs.predict_s) == (info.loading_timeout_s, info.predict_timeout_s)
