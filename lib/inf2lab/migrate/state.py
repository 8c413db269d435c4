"""What is migrated: a folder as its old server states it, and the target that it goes to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inf2lab import catalog
from inf2lab.catalog import Successor, SuccessorHost, SuccessorImage
from inf2lab.folder import MODEL_STORE, Container, Needs
from inf2lab.lint import Folder
from neuron_rules import ModelDims, NeuronRulesError, rule_dims

LLAMAS_LAYERS = ("mistral", "qwen2", "qwen3")  # model types whose matrices are those of a Llama
ENDS_EARLY = ("llama", *LLAMAS_LAYERS, "mixtral")  # whose `sample` draws the end of text, and ends there


@dataclass(frozen=True)
class State:
    """The folder read, its needs, the target's image and instance; `own_image` is a whole name that was asked for.

    `container` is the old one, where a file says how it was started.
    """

    stated: Folder
    needs: Needs
    target: Successor
    image: SuccessorImage
    host: SuccessorHost
    own_image: str = ""
    container: Container | None = None

    @property
    def name(self) -> str:
        """The model's name in requests."""
        return self.stated.model_name

    @property
    def kubernetes_name(self) -> str:
        """The same as Kubernetes takes it, for a Service too: it begins with a letter."""
        plain = self.name.replace("_", "-").strip("-").lower()
        return (plain if plain[:1].isalpha() else f"model-{plain}".strip("-"))[:50].strip("-")

    @property
    def model_id(self) -> str:
        """The model's name on the hub, or its folder; empty where nobody names it."""
        return str(self.full_path) if self.weights_here else self.stated.meant or ""

    @property
    def weights(self) -> str:
        """The host's folder of weights that the new server is given; empty where it fetches them by name.

        A path is one of the old container: what was mounted there counts, and `./weights` is for a person to fill.
        """
        name = self.model_id.rstrip("/")
        beside = name.removeprefix(f"{self._place}/")
        if self.weights_here:
            return name
        if self._mounted:
            return self._mounted
        if beside and not os.path.isabs(beside) and os.path.isdir(self.full_path / beside):
            return str(self.full_path / beside)
        if os.path.isabs(name) and self.container is None and not f"{name}/".startswith(f"{MODEL_STORE}/"):
            return name
        by_hand = not name or name.startswith(("/", ".", "s3://")) or self.stated.option("s3url")
        return "./weights" if by_hand else ""

    @property
    def config(self) -> Mapping[str, Any]:
        """What is known of the model's configuration."""
        return self.stated.model_config or catalog.described(self.model_id) or {}

    @property
    def dims(self) -> ModelDims | None:
        """The model's sizes, where they are known."""
        own = self.stated.config
        if isinstance(own, dict) and own.get("model_type") in LLAMAS_LAYERS:
            try:
                return rule_dims({**own, "model_type": "llama"})
            except (NeuronRulesError, TypeError, ValueError, AttributeError, OverflowError):
                return None
        return self.stated.dims or catalog.planned(self.model_id) or catalog.newer_model(self.model_id)

    @property
    def parameters(self) -> int | None:
        """The checkpoint's parameters: embedding and output are two matrices unless it is known that they are one."""
        entry, dims = catalog.model_entries().get(self.model_id), self.dims
        if entry or dims is None:
            return entry.parameters if entry else None
        own = self.stated.config
        tied = own.get("tie_word_embeddings") if isinstance(own, dict) else None
        family_ties = dims.architecture not in ("llama", "gptj", "gpt_neox")
        return dims.parameters + (0 if (family_ties if tied is None else tied) else dims.vocab * dims.hidden)

    @property
    def degree(self) -> int:
        """Cores of one copy."""
        return self.stated.degree or self.needs.degree

    @property
    def rows(self) -> int:
        """Rows of a batch; those that a rolling batch asks for, also where the release compiled fewer."""
        asked = self.stated.option("max_rolling_batch_size") if self.stated.rolling else None
        if asked is not None and asked.number:
            return asked.number
        return self.stated.rows or self.needs.rows

    @property
    def positions(self) -> int:
        """Positions of prompt and answer."""
        return self.stated.n_positions or self.needs.n_positions

    @property
    def dtype(self) -> str:
        """The numbers' format, as transformers-neuronx names it."""
        return self.stated.amp or self.needs.dtype

    @property
    def image_name(self) -> str:
        """The image as it is started."""
        return self.own_image if "/" in self.own_image else self.image.name

    @property
    def weights_here(self) -> bool:
        """Whether the folder is the model itself: no other one is named, nor mounted at its place."""
        own = (self.stated.meant or "").rstrip("/") in ("", ".", MODEL_STORE, self._place)
        mounted = os.path.realpath(self._mounted or self.full_path)
        return "config.json" in self.stated.files and own and mounted == str(self.full_path)

    @property
    def _place(self) -> str:
        """The folder, as the old container has it."""
        return f"{MODEL_STORE}/{self.needs.folder.path.name}"

    @property
    def _mounted(self) -> str:
        """What the old container was given of the host where the model's name is a path; empty where nobody knows."""
        return self.container.on_host(self.stated.meant or "") if self.container else ""

    @property
    def forked(self) -> bool:
        """Whether the image has the fork of vLLM that knew Neuron itself; later ones have a plugin."""
        return catalog.successor_flags()["--device"].known_in(self.image.version)

    @property
    def family(self) -> str:
        """The instance family whose rules hold: the host's, where the target runs on it."""
        own = self.host.family
        return own if own in self.target.families else self.target.families[0]

    @property
    def sampled(self) -> bool:
        """Whether the old handler samples unless it is told otherwise: the article's does."""
        own, rolling = self.stated.own_file is not None, self.stated.rolling
        return own or (not rolling and catalog.old_answers().sampled_in(self.stated.release))

    @property
    def end_forbidden(self) -> bool:
        """Whether a drawn text never ends early: transformers-neuronx masks its end, but not in Llama's family."""
        return self.sampled and self.config.get("model_type") not in ENDS_EARLY

    @property
    def copies(self) -> int:
        """Copies that the whole instance has room for: its cores by the degree."""
        return max(1, self.host.cores // self.degree)

    @property
    def full_path(self) -> Path:
        """The folder, from the root on."""
        return self.needs.folder.path.resolve()
