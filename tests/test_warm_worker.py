"""A warm worker is what a cold one would be, but for its imports: arguments, surroundings, output, end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import warm_worker
from inf2lab.weights import standins

SEES = """
import json, os, sys
import beside
print(json.dumps([sys.argv, os.getcwd(), os.environ["OWN"], beside.__file__, sys.path[0], __name__, sys.stdin.read(),
    sys.dont_write_bytecode]))
print("torch" in sys.modules, file=sys.stderr)
"""
pytestmark = pytest.mark.skipif(
    warm_worker.NAME not in os.environ, reason="no warm process: not on Linux, or COLD_WORKERS is set"
)


def run(python: str, tmp_path: Path, code: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script that lies in `tmp_path`, with two arguments and something to read."""
    (tmp_path / "script.py").write_text(code)
    (tmp_path / "path").mkdir(exist_ok=True)
    (tmp_path / "path" / "beside.py").touch()
    own = {"OWN": "yes", "PYTHONPATH": str(tmp_path / "path")}
    return subprocess.run(
        [python, str(tmp_path / "script.py"), "one", "--two"],
        env={**os.environ, **standins.worker_environment(), **own, **more},
        cwd=tmp_path,
        input="read me",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("bytecode", ["", "1"])
def test_it_sees_what_a_cold_one_sees(tmp_path: Path, bytecode: str) -> None:
    more = {"PYTHONDONTWRITEBYTECODE": bytecode}
    warm, cold = (run(python, tmp_path, SEES, **more) for python in (warm_worker.python(), sys.executable))
    assert json.loads(warm.stdout) == json.loads(cold.stdout)
    assert (warm.stderr, cold.stderr) == ("True\n", "False\n")


@pytest.mark.parametrize(
    ("code", "status"),
    [("raise SystemExit(7)", 7), ("import os; os._exit(3)", 3), ("import os; os.abort()", -6), ("1 / 0", 1)],
)
def test_it_ends_as_a_cold_one_ends(tmp_path: Path, code: str, status: int) -> None:
    assert [run(p, tmp_path, code).returncode for p in (warm_worker.python(), sys.executable)] == [status, status]


@pytest.mark.thorough
def test_one_thread_is_what_it_has_anyway(tmp_path: Path) -> None:
    code = "import os, torch; print(torch.get_num_threads(), os.environ.get('OMP_NUM_THREADS'))"
    assert run(warm_worker.python(), tmp_path, code).stdout == "1 None\n"
    told = [run(p, tmp_path, code, OMP_NUM_THREADS="1").stdout for p in (warm_worker.python(), sys.executable)]
    assert told == ["1 1\n", "1 1\n"]


@pytest.mark.parametrize("name", ["HF_HOME", "OMP_NUM_THREADS", "TRANSFORMERS_CACHE"])
def test_what_is_read_while_importing_makes_a_cold_one(tmp_path: Path, name: str) -> None:
    assert run(warm_worker.python(), tmp_path, SEES, **{name: "5"}).stderr == "False\n"


def test_another_package_of_that_name_makes_a_cold_one(tmp_path: Path) -> None:
    (tmp_path / "path" / "transformers").mkdir(parents=True)
    assert run(warm_worker.python(), tmp_path, SEES).stderr == "False\n"


def test_whoever_kills_the_script_kills_the_worker(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    environment = {**os.environ, **standins.worker_environment()}
    command = [warm_worker.python(), "-c", code]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as script:
        worker = psutil.Process(int(script.stdout.readline()))
        assert worker.pid != script.pid
        script.send_signal(signal.SIGKILL)
        assert psutil.wait_procs([worker], timeout=120)[1] == []


def test_a_program_starts_wherever_it_and_its_interpreter_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a clone below "My Documents" no server of `make run` started: a line of `#!` ends at a blank."""
    folder = tmp_path / "My Documents, 'd' é日本 $HOME \\x"
    folder.mkdir()
    python = folder / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    program = warm_worker.write_program(
        folder / "python3", "import sys; print(sys.argv[1:], sys.flags.isolated)", "-IS"
    )
    done = subprocess.run([program, "a b", "$c"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['a b', '$c'] 1\n", "")


@pytest.mark.thorough
def test_a_run_of_the_tutorial_has_a_warm_process_of_its_own_and_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten servers of `make run` imported PyTorch ten times, a fifth of its time."""
    monkeypatch.delenv(warm_worker.NAME)
    with warm_worker.importing_at_once():
        python = warm_worker.python()
        assert run(python, tmp_path, SEES).stderr == "True\n"
    assert not Path(python).exists()
    assert warm_worker.python() == sys.executable
