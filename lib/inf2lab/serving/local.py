"""A server that is a process of this machine's own: started apart, found by its state, stopped with its workers."""

import os
import subprocess
from abc import abstractmethod

import psutil

from inf2lab import paths
from inf2lab.errors import ServerError
from inf2lab.folder import timeouts
from inf2lab.serving import log, ports, processes
from inf2lab.serving.interface import ModelServer, ServerStatus, State
from inf2lab.serving.state import ServerState, all_states, instance_path, read_state, state_path
from inf2lab.weights import prepare_standin, worker_environment
from inf2lab.words import Report

# What the command or config.properties says; to DJLServing a variable would be stronger.
_STATED = ("MODEL_STORE", "LOAD_MODELS", "INFERENCE_ADDRESS", "MANAGEMENT_ADDRESS")
_HOME = "MODEL_SERVER_HOME"  # its conf/config.properties may name addresses, and the inf2 image's says 0.0.0.0


class LocalServer(ModelServer):
    """A process that outlives the notebook which started it, over the emulated chip and with stand-in weights."""

    kind: str  # in the state file
    _own: ServerState | None = None  # of the process that this object has started

    def environment(self) -> dict[str, str]:
        """Return what the server's environment has beyond this process's: the image's variables and the rehearsal's."""
        stack = self.settings.stack
        return {
            **worker_environment(),
            **{k: v for k, v in stack.container_env.items() if k != "OMP_NUM_THREADS"},  # all cores compute here
            **timeouts(self.needs.loading_s, self.needs.predict_s),
            **self.needs.given_values,
            "REHEARSAL_TNX_GENERATION": self.settings.generation.name,
            "REHEARSAL_INSTANCE": str(instance_path(self.settings)),
            "REHEARSAL_NEURON_FIRST_CORE": str(self.settings.first_core),
            "PYTHONDONTWRITEBYTECODE": "1",  # the worker must not write into the model folder
            "PYTHONUNBUFFERED": "1",
            processes.MARK: processes.owner(),
        }

    @property
    def played(self) -> str:
        """The model whose words are played; empty for a folder that names none."""
        return self.needs.stated.text("model_id") or ""

    @abstractmethod
    def provide(self) -> None:
        """Have ready what the command needs; raises ServerError."""

    def start(self, report: Report) -> None:
        """Start the server's process in a session of its own; raises FolderError, StandInError or ServerError."""
        self.check()
        self._claim_port()
        if self.played:
            standin = prepare_standin(self.played)
            if standin.is_played:
                size = f"{standin.parameters / 1e6:.1f} M parameters"
                report(f"{self.played} is played by {standin.played_by}, {size}: its words, the named model's rules")
        self.provide()
        if home := os.environ.get(_HOME):
            report(f"{_HOME}={home} is not used: its config.properties could open this server to the network")
        self._make_log_folder()
        self._launch()

    def exists(self) -> bool:
        """Return whether this server's own process runs."""
        return self.process() is not None

    def process(self) -> psutil.Process | None:
        """Return this server's own process while it runs."""
        state = self._state()
        return state.process() if state else None

    def status(self) -> ServerStatus:
        """Return its state from the process, the port and the log."""
        state, port = self._state(), self.settings.port
        if state is None:
            gone = "the server of this start is on record no more" if self._own else "no server was started"
            return ServerStatus(State.STOPPED, f"{gone} on port {port}")
        if self._own and state != self._own:
            return ServerStatus(State.FAILED, f"port {port} was given to another start meanwhile")
        process = state.process()
        if process and processes.is_held(process):
            reason = f"process {process.pid} is held: `kill -CONT {process.pid}` lets it go on"
            return ServerStatus(State.FAILED, f"{reason}, `inf2lab stop` ends it")
        workers = self._answers() if process else None
        if process and workers is not None:
            if self.listens(process):
                return self._ready(workers)
            return ServerStatus(
                State.LOADING, f"port {port} is answered by {processes.listener(port)}, not by this one"
            )
        if state.process():
            return ServerStatus(State.LOADING, log.last_line(self.log_path) or "starting")
        return ServerStatus(State.FAILED, log.cause_of_failure(self.log_path) or "its process ended without a word")

    def listens(self, process: psutil.Process) -> bool:
        """Return whether it is this server's process that listens on the port, and not somebody else's."""
        return processes.may_listen(process, self.settings.port)

    def stop(self, *, patience_s: float = 10) -> bool:
        """Stop the process, its workers and its scratch folder; returns whether anything was running."""
        state = self._state()
        if state is None:
            return False
        process = state.process()
        running = processes.end(processes.family(process), patience_s) if process else []
        processes.remove_scratch(state.scratch)
        state.remove()
        return bool(running)

    def scratch_variables(self, scratch: str) -> dict[str, str]:
        """Return what makes the server and its workers keep their temporary files in `scratch`."""
        return {"TMPDIR": scratch, "SERVING_DOWNLOAD_DIR": scratch}

    def _state(self) -> ServerState | None:
        state = read_state(state_path(self.settings.port))
        return None if state and state.container else state  # a container's is not ours to forget

    def _claim_port(self) -> None:
        if not ports.is_free(self.settings.port):
            end_orphans(patience_s=10)  # what a killed run left must not hold the port
            ports.claim(self.settings.port)

    def _make_log_folder(self) -> None:
        try:
            self.clear_logs()
            self.log_folder.mkdir(parents=True, exist_ok=True)
            instance_path(self.settings).parent.mkdir(exist_ok=True)
        except OSError as error:
            reason = f"{paths.shown(self.log_folder)} cannot be made ({error.strerror})"
            raise ServerError(f"{reason}: set INF2LAB_LOGS to a folder that this user may write") from error

    def _launch(self) -> None:
        processes.remove_old_scratch()
        scratch = processes.make_scratch()  # handlers write split checkpoints into TMPDIR
        stated = {_HOME, *(f"SERVING_{key}" for key in _STATED)}
        inherited = {name: value for name, value in os.environ.items() if name not in stated}
        with self.log_path.open("wb") as output:
            pid = processes.start_apart(
                self.command(),
                cwd=paths.root(),
                env=inherited | self.environment() | self.scratch_variables(scratch),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        identity = {"pid": pid, "created": psutil.Process(pid).create_time(), "birth": processes.birth(pid)}
        self._own = ServerState.of(self.settings, self.folder, **identity, scratch=scratch, server=self.kind)
        try:
            self._own.write()
        except OSError:  # nobody would find it again
            processes.end(processes.family(psutil.Process(pid)), patience_s=10)
            processes.remove_scratch(scratch)
            raise


def end_orphans(*, patience_s: float) -> None:
    """End the processes of this clone's servers that no state file tells of, with their scratch folders."""
    known = [process for state in all_states() if (process := state.process())]
    processes.end_orphans(known, patience_s)
