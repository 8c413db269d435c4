"""What a model folder asks of the machine that serves it: each value with the rule of its default.

A value that cannot be is one FolderError, whoever asks: file, key, value, rule and remedy.
"""

import ast
import re
import shlex
from dataclasses import dataclass
from functools import cached_property

from inf2lab import catalog, paths
from inf2lab.catalog import Profile
from inf2lab.errors import FolderError, ServerError, SettingsError
from inf2lab.folder.docker_words import variables_in
from inf2lab.folder.environment import Variable
from inf2lab.folder.model_folder import ModelFolder
from inf2lab.folder.properties import FILE_NAME, OPTION, Entry
from inf2lab.folder.reading import Reading, reading_of
from inf2lab.folder.stated import Stated
from inf2lab.settings import Settings
from neuron_rules import core_groups

LOAD_MARGIN_S = 60  # beyond the server's own patience, of who waits for it: it is to give up first, and to say why
LIBRARY_POSITIONS = 2048  # transformers-neuronx's own default for n_positions
INSIDE_PORT = 8080
MANAGEMENT_PORT = 8081  # inside the container, where nobody else is
COMPILED = "/var/tmp/neuron-compile-cache"  # where neuronx-cc keeps programs unless it is told otherwise
_SECRET = re.compile(  # not TOKENIZERS_PARALLELISM, nor SSH_AUTH_SOCK
    r"TOKEN(?!S|I[SZ])|SECRET|PASSW(?:OR)?D|CREDENTIAL|(?:_|API|ACCESS)KEY|(?<![A-Z])(?:PASS|AUTH)$", re.IGNORECASE
)
_COUNTS = re.compile(r"""true|false|[-.\d\s,\[\]"']*""", re.IGNORECASE)  # what MAX_TOKENS and its like are given
_FROM_ONE = "write a number from 1 on"


@dataclass(frozen=True)
class Needs:
    """What a scheduler must know of a folder. Settings say the machine; all the rest is read from the folder, once.

    `variables` are those of a container that somebody else starts.
    """

    settings: Settings
    folder: ModelFolder
    variables: tuple[Variable, ...] = ()

    @cached_property
    def stated(self) -> Stated:
        """The folder's files, parsed, and what the container's variables add; raises FolderError, SettingsError."""
        return self.folder.stated(self.settings, (*self.variables, *self.given))

    @cached_property
    def further_words(self) -> list[str]:
        """Further words for `docker run`; raises SettingsError where they are no words."""
        text = self.settings.docker_options
        try:
            return shlex.split(text)
        except ValueError as error:
            raise SettingsError("docker_options", text, f"cannot be cut into words: {error}") from None

    @cached_property
    def given(self) -> tuple[Variable, ...]:
        """The variables among those words, which every lane and every rendering gives the server."""
        return variables_in(self.further_words)

    @property
    def given_values(self) -> dict[str, str]:
        """Their values, without secrets and without those that the caller's own environment has."""
        return {one.name: one.value for one in self.given if one.known and not is_secret(one.name, one.value)}

    def check(self) -> None:
        """Raise FolderError for a value that cannot be, or ServerError where the instance has too few cores."""
        _ = self.devices, self.loading_s, self.predict_s, self.rows, self.n_positions, self.dtype, self.at_once(1)

    def check_model(self) -> None:
        """Raise ServerError for a model that the profile's image cannot read, with versions and the way out."""
        if self.stated.model_config.get("guessed"):
            return
        for obstacle in self.stated.obstacles:
            if not obstacle.loads:
                raise ServerError(f"{self.model_id} does not load under {self.settings.profile}: {obstacle.text}")

    @property
    def image(self) -> str:
        """The container's image: the one that was asked for, else the profile's."""
        return self.settings.image or self.settings.stack.image

    @property
    def model_id(self) -> str:
        """The model's name; where the folder names none and is not the model's own, the settings'."""
        own = str(self.folder.path) if self.stated.config is not None else self.settings.model_id
        return self.stated.text("model_id") or own

    @property
    def weights_on_s3(self) -> str:
        """Bucket and prefix of weights that lie on S3, else empty."""
        name = self.stated.text("model_id") or ""
        return name.removeprefix("s3://") if name.startswith("s3://") else ""

    @property
    def degree(self) -> int:
        """NeuronCores of one copy: 1 unless stated; `max` (since 0.24) is every core from the first device on."""
        if self.stated.text("tensor_parallel_degree") == "max":
            return self.settings.hardware.cores - self.settings.first_core
        return self._option("tensor_parallel_degree", 1, f"{_FROM_ONE}, or max")

    @property
    def devices(self) -> int:
        """Neuron devices of the copies that are asked for: whole chips, as the device plugin hands them out."""
        settings, cores = self.settings, self.settings.hardware.cores - self.settings.first_core
        wanted = self.degree * settings.copies
        if wanted > cores:
            after = f" from device {settings.first_device} on" if settings.first_device else ""
            raise ServerError(
                f"{settings.copies} x degree {self.degree} needs {wanted} NeuronCores, and "
                f"{settings.instance} has {cores}{after}: lower copies or the degree, or take a larger instance"
            )
        return -(-wanted // settings.hardware.cores_per_chip)

    @property
    def cores(self) -> int:
        """NeuronCores of those devices; at an odd degree more than the copies use."""
        return self.devices * self.settings.hardware.cores_per_chip

    @property
    def workers(self) -> int:
        """Copies that the server starts on those devices: it fills every core, asked for or not."""
        return len(core_groups(self.cores, self.degree))

    @property
    def rows(self) -> int:
        """Rows that the model is compiled for: 1 unless stated; those of a rolling batch 32, from 0.26 on."""
        return self._number(self.stated.rows_entry, self.stated.rows or 1)

    @property
    def gathers(self) -> int:
        """Requests that the server gathers into one batch, by its own `batch_size`: 1 unless stated."""
        return self._number(self.stated.gathers, 1)

    @property
    def n_positions(self) -> int:
        """Positions of prompt and answer: the built-in handler's default, or the library's where model.py serves."""
        return self._option("n_positions", LIBRARY_POSITIONS)

    @property
    def dtype(self) -> str:
        """The numbers' format, as transformers-neuronx names it: the built-in handler's default, else model.py's f16.

        The other handler's spelling is taken as it is meant: that it does not load is the linter's to say.
        """
        stated, word = self.stated, self.stated.text("dtype") or "f16"
        meant = stated.amp or stated.profile.handler_dtypes.get(word, word)
        if meant in stated.rules.dtypes:
            return meant
        accepted = stated.profile.handler_dtypes if stated.built_in else stated.rules.dtypes
        raise self._refusal(stated.option("dtype"), word, f"write one of {', '.join(accepted)}")

    @cached_property
    def reading(self) -> Reading:
        """How the handler takes the checkpoint through the host's memory; raises FolderError."""
        own = self.stated.own_file
        return reading_of(self.stated, self._code(own) if own else None)

    @property
    def loading_s(self) -> int:
        """Seconds that the server gives one worker to load: those of a first load unless stated."""
        return self._timeout("model_loading_timeout", catalog.loading_facts().first_load_s)

    @property
    def predict_s(self) -> int:
        """Seconds that the server gives an answer: the catalog's unless stated."""
        return self._timeout("predict_timeout", catalog.loading_facts().predict_s)

    def all_loaded_s(self, workers: int) -> int:
        """Return the seconds in which so many workers have loaded, or given up: one after the other.

        ModelServer calls WorkerPool.initWorkers for a device at a time, which waits for the worker's process; and
        `parallel_loading` is read for MPI only (djl-serving, PyModel.createAllPyProcesses).
        """
        return workers * self.loading_s

    def ready_s(self, workers: int) -> int:
        """Return how long to wait for so many workers: the server is to give up first, and to say why."""
        return self.all_loaded_s(workers) + LOAD_MARGIN_S

    @property
    def client_s(self) -> int:
        """Seconds that a client waits for an answer: the server is to give up first here too."""
        return self.predict_s + LOAD_MARGIN_S

    def at_once(self, workers: int) -> int:
        """Return the requests that so many workers work on at once.

        A rolling batch takes its rows from as many requests; DJLServing's own batching takes `batch_size` requests
        together; else a worker takes one after the other.
        """
        if self.stated.rolling:
            return workers * min(self.rows, self._option("max_rolling_batch_size", self.rows))
        return workers * self.gathers

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a container of its own: management on its loopback, the folder's time-outs, those given."""
        addresses = f"http://0.0.0.0:{INSIDE_PORT}", f"http://127.0.0.1:{MANAGEMENT_PORT}"
        stack = self.settings.stack
        own = container_environment(*addresses, stack, loading_s=self.loading_s, predict_s=self.predict_s)
        return own | self.given_values

    def _code(self, name: str) -> ast.Module:
        """The handler's code; what cannot be read loads nothing."""
        try:
            return ast.parse((self.folder.path / name).read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.Module([], [])

    def _option(self, name: str, default: int, rule: str = _FROM_ONE) -> int:
        entry = self.stated.option(name)
        return self._number(entry, self.stated.number(name) or default, rule)

    def _timeout(self, name: str, default: int) -> int:
        given = self.given_values.get(name.upper(), "")
        stated = self.stated.properties.last(OPTION + name)  # the server reads no plain key
        if stated and stated.number == 0:  # DJLServing takes it for none that is set
            stated = None
        return self._number(stated, int(given) if re.fullmatch("[0-9]{1,9}", given) else default)

    def _number(self, entry: Entry | None, default: int, rule: str = _FROM_ONE) -> int:
        if entry is None:
            return default
        if entry.number is None or entry.number < 1:
            raise self._refusal(entry, entry.value, rule)
        return entry.number

    def _refusal(self, entry: Entry | None, value: str, rule: str) -> FolderError:
        where = paths.shown(self.folder.properties_path)
        if entry and entry.file != FILE_NAME:
            where = f"{entry.file}:{entry.line}"
        return FolderError(where, f"{entry.written if entry else 'dtype'}={value}: {rule}")


def is_secret(name: str, value: str) -> bool:
    """Whether a variable or a key of that name keeps its value out of what is written; tokens that are counted not."""
    tokens = "TOKENS" in name.upper() and not _COUNTS.fullmatch(value)
    return tokens or _SECRET.search(name) is not None


def cache_variables(stack: Profile, home: str) -> dict[str, str]:
    """Return what sends a download of the hub below `home`, over what the image says of it."""
    return {"HF_HOME": home} | dict.fromkeys(stack.cache_variables, f"{home}/hub")


def timeouts(loading_s: int, predict_s: int) -> dict[str, str]:
    """Return the variables by which DJLServing is told its patience; a line of the folder is stronger."""
    return {"MODEL_LOADING_TIMEOUT": str(loading_s), "PREDICT_TIMEOUT": str(predict_s)}


def container_environment(
    inference: str, management: str, stack: Profile, *, loading_s: int, predict_s: int
) -> dict[str, str]:
    """Return what the image is told: addresses, time-outs, where its cache lies."""
    return {
        "SERVING_INFERENCE_ADDRESS": inference,
        "SERVING_MANAGEMENT_ADDRESS": management,
        **timeouts(loading_s, predict_s),
        **cache_variables(stack, "/cache/huggingface"),
        "OPT_OUT_TRACKING": "true",  # the image calls home otherwise
    }
