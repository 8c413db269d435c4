"""The rehearsal lane: DJLServing's contract in front of DJL's own worker, on this machine's processor."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from inf2lab import catalog, paths
from inf2lab.errors import ServerError
from inf2lab.folder import ModelFolder
from inf2lab.serving import log, ports, processes
from inf2lab.serving.interface import ModelServer, Report, ServerStatus
from inf2lab.serving.state import ServerState, all_states, read_state, state_path
from inf2lab.settings import Settings
from inf2lab.weights import standins

# What the command or config.properties says; to DJLServing a variable would be stronger.
_STATED = ("MODEL_STORE", "LOAD_MODELS", "INFERENCE_ADDRESS", "MANAGEMENT_ADDRESS")


class RehearsalServer(ModelServer):
    """A `python -m rehearsal.server` process that outlives the notebook which started it."""

    server = "rehearsal"  # which kind, in the state file

    def __init__(
        self, settings: Settings, folder: ModelFolder, *, neuron_cores: int | None = None, python: str = sys.executable
    ) -> None:
        """`neuron_cores` are emulated, by default the instance's; `python` is the laboratory's own."""
        super().__init__(settings, folder)
        self._neuron_cores, self._python = neuron_cores or settings.hardware.cores, python
        self._log_folder = paths.logs() / f"server-{settings.port}"

    @property
    def log_path(self) -> Path:
        """Everything that the server and its workers print."""
        return self._log_folder / "console.log"

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [
            *(self._python, "-m", "rehearsal.server"),
            *("--model-store", str(self.folder.path)),
            *("--port", str(self.settings.port)),
            *("--djl-version", str(self.settings.stack.rehearsed_by)),
            *("--neuron-cores", str(self._neuron_cores)),
            *("--worker-limit", str(self.settings.copies)),  # of the many that the instance has room for
            *("--log-dir", str(self._log_folder)),
        ]

    def environment(self) -> dict[str, str]:
        """Return what the server's environment has beyond this process's: the image's variables and the rehearsal's."""
        stack = self.settings.stack
        return {
            **standins.worker_environment(),
            **{k: v for k, v in stack.container_env.items() if k != "OMP_NUM_THREADS"},  # all cores compute here
            "MODEL_LOADING_TIMEOUT": str(stack.loading_timeout_s),
            "PREDICT_TIMEOUT": str(stack.predict_timeout_s),
            "REHEARSAL_TNX_GENERATION": self.settings.generation.name,
            "PYTHONDONTWRITEBYTECODE": "1",  # the worker must not write into the model folder
            "PYTHONUNBUFFERED": "1",
            processes.MARK: processes.owner(),
        }

    def start(self, report: Report) -> None:
        """Start the server's process in a session of its own; raises FolderError, StandInError or ServerError."""
        self.check()
        self._claim_port()
        model_id = self.folder.option("model_id")
        if model_id:
            standin = standins.prepare(model_id)
            if standin.is_played:
                size = f"{standin.parameters / 1e6:.1f} M parameters"
                report(f"{model_id} is played by {standin.played_by}, {size}: its words, the named model's rules")
        self._provide()
        self._launch()

    def check(self) -> None:
        """Raise FolderError or ServerError if this folder cannot be rehearsed under this profile."""
        super().check()
        self._check_profile()

    def exists(self) -> bool:
        """Return whether this server's own process runs."""
        state = self._state()
        return state is not None and state.process() is not None

    def status(self) -> ServerStatus:
        """Return its state from the process, the port and the log."""
        state = self._state()
        if state is None:
            return ServerStatus("stopped", f"no server was started on port {self.settings.port}")
        workers = self._answers() if state.process() else None
        if workers is not None:
            return ServerStatus("ready", f"{self.folder.name} answers at {self.url}", workers)
        if state.process():
            return ServerStatus("loading", log.last_line(self.log_path) or "starting")
        return ServerStatus("failed", log.cause_of_failure(self.log_path))

    def stop(self, *, patience_s: float = 10) -> bool:
        """Stop the process, its workers and its scratch folder; returns whether anything was running."""
        state = self._state()
        if state is None:
            return False
        process = state.process()
        running = processes.end(processes.family(process), patience_s) if process else []
        shutil.rmtree(state.scratch, ignore_errors=True)
        state.remove()
        return bool(running)

    def _state(self) -> ServerState | None:
        state = read_state(state_path(self.settings.port))
        return None if state and state.container else state  # a container's is not ours to forget

    def _check_profile(self) -> None:
        stack = self.settings.stack
        if stack.rehearsed_by is None:
            rehearsed = [p.name for p in catalog.profiles().values() if p.rehearsed_by]
            raise ServerError(
                f"profile {stack.name} is not rehearsed: DJL's worker {stack.djl} is not here; "
                f"use one of {', '.join(rehearsed)}, or lane inf2"
            )
        entry = self.folder.option("entryPoint")
        if stack.worker != stack.rehearsed_by and entry.startswith("djl_python."):
            raise ServerError(
                f"the built-in handler of DJLServing {stack.djl} cannot be rehearsed: its worker is not published on "
                f"Maven. Use a model.py (notebook 04), which worker {stack.rehearsed_by} runs, or profile djl-0.25"
            )

    def _provide(self) -> None:
        """Have ready what the command needs; raises ServerError."""
        _fetch_worker(str(self.settings.stack.rehearsed_by))

    def _configure(self) -> None:
        """Write what the server reads besides its command line: nothing, in the rehearsal."""

    def _claim_port(self) -> None:
        if ports.is_free(self.settings.port):
            return
        running = [process for state in all_states() if (process := state.process())]
        processes.end_orphans(running, patience_s=10)  # what a killed run left must not hold the port
        ports.claim(self.settings.port)

    def _launch(self) -> None:
        shutil.rmtree(self._log_folder, ignore_errors=True)
        self._log_folder.mkdir(parents=True)
        self._configure()
        scratch = tempfile.mkdtemp(prefix=processes.SCRATCH_PREFIX)  # handlers write split checkpoints into TMPDIR
        stated = {f"SERVING_{key}" for key in _STATED}
        inherited = {name: value for name, value in os.environ.items() if name not in stated}
        surroundings = inherited | self.environment() | self._scratch_variables(scratch)
        with self.log_path.open("wb") as log:
            pid = processes.start_apart(
                self.command(),
                cwd=paths.root(),
                env=surroundings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        ServerState(
            pid=pid,
            created=psutil.Process(pid).create_time(),
            port=self.settings.port,
            lane=self.settings.lane,
            profile=self.settings.profile,
            instance=self.settings.instance,
            folder=str(self.folder.path),
            scratch=scratch,
            started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            server=self.server,
            copies=self.settings.copies,
        ).write()

    def _scratch_variables(self, scratch: str) -> dict[str, str]:
        """Return what makes the server and its workers keep their temporary files in `scratch`."""
        return {"TMPDIR": scratch, "SERVING_DOWNLOAD_DIR": scratch}


def _fetch_worker(version: str) -> None:
    """Have the server's own tool fetch DJL's worker into the cache (170 KB, once); raises ServerError."""
    command = [sys.executable, "-m", "rehearsal.server.workers.package", "--djl-version", version]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
