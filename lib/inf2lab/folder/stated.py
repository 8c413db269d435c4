"""What the files of a model folder state, by the rules of one release; where they state no value of a kind: None."""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from inf2lab import catalog
from inf2lab.folder.properties import OPTION, Entry, Properties
from neuron_rules import GENERATIONS, Generation

_OTHER_ENGINES = ("vllm", "lmi-dist", "optimum", "nxdi")  # which read keys of their own
IMAGE_SERVICE = (0, 23)  # first release whose handler also serves pictures
PLAIN_KEYS_REACH_PYTHON = (0, 22, 1)  # from here on the server copies keys without `option.` to the handler
_NEURON_HANDLER = re.compile(r"djl_python\.transformers?[-_]neuronx")


def name_in_urls(folder: str) -> str:
    """Return a model's name in URLs: its folder's, with every character but letters, digits and _ made a _."""
    return re.sub(r"\W", "_", folder, flags=re.ASCII)  # letters as Java's \W counts them


def default_handler(folder: str, files: Container[str]) -> str | None:
    """Return which of a folder's files is taken for a handler where no line names one."""
    return next((file for file in ("model.py", f"{folder}.py") if file in files), None)


@dataclass(frozen=True)
class Stated:
    """The parsed files of the folder `name` under a profile, on an instance. `files` are names of its own files."""

    name: str
    profile: catalog.Profile
    instance: catalog.Instance
    properties: Properties
    files: frozenset[str]
    config: object = None  # the folder's own config.json

    @property
    def model_name(self) -> str:
        """The model's name in URLs."""
        return name_in_urls(self.name)

    @property
    def release(self) -> tuple[int, ...]:
        """DJLServing's release, as numbers."""
        return self.profile.version

    @property
    def rules(self) -> Generation:
        """The chip's rules that hold under this profile."""
        return GENERATIONS[self.profile.degree_rules]

    @property
    def entry_point(self) -> Entry | None:
        """The line that names the handler."""
        return self.properties.last(f"{OPTION}entryPoint")

    @property
    def default_file(self) -> str | None:
        """The file that is taken for a handler where no line names one."""
        return default_handler(self.name, self.files)

    @cached_property
    def own_file(self) -> str | None:
        """The file of the folder's own handler, if that is the one that serves."""
        if self.entry_point is None:
            return self.default_file
        value = self.entry_point.value.strip()
        return next((file for file in (value, f"{value}.py") if file in self.files), None)

    @cached_property
    def built_in(self) -> bool:
        """Whether DJL's own Neuron handler serves the folder; a wrong spelling of its name still means it."""
        if self.option("use_stable_diffusion") and self.release >= IMAGE_SERVICE:
            return False  # the same module serves pictures then, by other rules
        if self.entry_point:
            return _NEURON_HANDLER.fullmatch(self.entry_point.value.strip()) is not None
        return self.default_file is None

    @property
    def other_engine(self) -> bool:
        """Whether an option hands the model to an engine that reads keys of its own."""
        return not {self.text("rolling_batch"), self.text("model_loader")}.isdisjoint(_OTHER_ENGINES)

    @property
    def shape(self) -> str:
        """Which of `shapes` its requests have: the article's for a handler in the folder, else the built-in one's."""
        if self.own_file:
            return "article"
        return "builtin" if (self.text("enable_streaming") or "false") == "false" else "builtin-stream"

    def option(self, name: str) -> Entry | None:
        """The line that sets the option for the handler: with `option.`, or without where that release copies it."""
        entry = self.properties.last(OPTION + name)
        plain = name not in catalog.options().server_keys and self.release >= PLAIN_KEYS_REACH_PYTHON
        return entry or (self.properties.last(name) if plain else None)

    def default(self, name: str) -> str | None:
        """What the reader of an unset option takes: the catalog's for the built-in handler; else nobody knows."""
        option = None if self.own_file else catalog.options().options.get(name)
        return option.default_in(self.release) if option else None

    def number(self, name: str) -> int | None:
        """The option as a number: from the file, else the default of whoever reads it."""
        if entry := self.option(name):
            return entry.number
        text = self.default(name)
        return int(text) if text is not None and re.fullmatch(r"\d{1,9}", text) else None

    def text(self, name: str) -> str | None:
        """The option as text: from the file, else the default of whoever reads it."""
        entry = self.option(name)
        return entry.value.strip() if entry else self.default(name)

    @property
    def degree(self) -> int | None:
        """NeuronCores of one copy; `max` is every core of the instance."""
        if self.text("tensor_parallel_degree") == "max":
            return self.instance.cores
        return self.number("tensor_parallel_degree")

    @property
    def n_positions(self) -> int | None:
        """Positions that the model is compiled for, prompt and answer together."""
        return self.number("n_positions")

    @cached_property
    def amp(self) -> str | None:
        """The number format that reaches transformers-neuronx, or None where the file's word means nothing."""
        word = self.text("dtype")
        if self.built_in:
            return self.profile.handler_dtypes.get(word or "")
        return word if word in self.rules.dtypes else None

    @property
    def looks_for_disable(self) -> bool:
        """Whether the server knows a value of `rolling_batch` that is off (djl-serving, PyPredictor, 2024-01-22)."""
        return self.release >= (0, 27)

    @property
    def server_rolls(self) -> bool:
        """Whether the server lets requests join a running batch: for any value, before it looks for `disable`."""
        entry = self.option("rolling_batch")
        if entry is None or self.release < (0, 23):
            return (self.default("rolling_batch") or "disable") != "disable"
        return not (self.looks_for_disable and entry.value == "disable")

    def limit(self, name: str) -> Entry | None:
        """The line that says `minWorkers` or `maxWorkers` of a group of cores; `option.` before it counts, too."""
        return self.properties.last(*(prefix + key for key in (f"nc.{name}", name) for prefix in (OPTION, "")))

    @property
    def workers_a_group(self) -> tuple[int, int]:
        """The least and most workers on one group of cores: the most, 1 unless more is stated, cuts the least."""
        low, high = (entry.number if entry else None for entry in map(self.limit, ("minWorkers", "maxWorkers")))
        most = high if high and high > 0 else 1
        return min(1 if low is None else low, most), most

    @property
    def rolling(self) -> bool:
        """Whether requests join and leave a running batch; DJL's own handler has a say in that too."""
        if not self.built_in or not self.server_rolls:
            return self.server_rolls
        if self.release < (0, 25):
            return self.release >= (0, 24)
        return (self.text("rolling_batch") or "disable") != "disable"

    @property
    def meant(self) -> str | None:
        """The model's name."""
        return self.text("model_id")

    @property
    def model_config(self) -> Mapping[str, Any]:
        """What is known of the model's configuration: from config.json in the folder, else by the model's name."""
        if isinstance(self.config, dict):
            return self.config
        return catalog.described(self.meant or "") or {}

    @property
    def obstacles(self) -> tuple[catalog.Obstacle, ...]:
        """What keeps the profile's image from serving the model with the handler that the folder has."""
        if not (self.built_in or self.own_file) or (self.text("model_loader") or "tnx") in _OTHER_ENGINES:
            return ()
        found = catalog.obstacles(self.model_config, self.profile)
        return tuple(one for one in found if self.built_in or not one.in_handler)

    @property
    def in_8bit(self) -> bool:
        """Whether the layers' matrices are kept in eight bits; from 0.25 on any way of quantizing is that."""
        named = self.built_in and self.release >= (0, 25) and self.option("quantize") is not None
        return named or (self.text("load_in_8bit") or "").lower() == "true"

    @property
    def gathers(self) -> Entry | None:
        """The line by which the server gathers requests of several clients into one call."""
        known = catalog.options().server_keys["max_dynamic_batch_size"].known_in(self.release)
        return self.properties.last("batch_size", *(["max_dynamic_batch_size"] if known else []))

    @property
    def rows_option(self) -> str:
        """The option that says how many rows the model is compiled for.

        0.24 takes that of a rolling batch wherever it stands, 0.25 never, and later releases while one runs.
        """
        stated = self.rolling if self.release >= (0, 26) else self.option("max_rolling_batch_size") is not None
        rolls = self.built_in and self.release[:2] != (0, 25) and stated
        return "max_rolling_batch_size" if rolls else "batch_size"

    @property
    def rows_entry(self) -> Entry | None:
        """The line that says so; the server's own copy reaches the handler, and in 0.22 beats the option."""
        entry = self.properties.last(OPTION + self.rows_option)
        if self.rows_option != "batch_size" or self.release < PLAIN_KEYS_REACH_PYTHON:
            return entry
        copied = self.gathers if self.gathers and not self.gathers.variable else None  # SERVING_* stay the server's
        return copied or entry if self.release < (0, 23) else entry or copied

    @property
    def rows(self) -> int | None:
        """Rows of the compiled batch."""
        return self.rows_entry.number if self.rows_entry else self.number(self.rows_option)
