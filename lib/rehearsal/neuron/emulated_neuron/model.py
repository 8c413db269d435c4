"""The class behind all public model classes: construct, load, place on the emulated cores, run, report."""

from __future__ import annotations

import copy
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import torch
from torch import Tensor

from emulated_neuron import dtypes
from emulated_neuron.arguments import (
    check_counts,
    check_int8,
    check_position,
    check_unroll,
    choose_amp,
    choose_matrix_dtype,
    choose_n_positions,
    override,
    paddings,
    with_signature,
)
from emulated_neuron.checkpoint import open_checkpoint
from emulated_neuron.decoder import Decoder
from emulated_neuron.device import place
from emulated_neuron.environment import RehearsalError, read_environment
from emulated_neuron.host import check_host_memory, return_freed_memory
from emulated_neuron.layers import ACTIVATIONS, computed_in
from emulated_neuron.report import RehearsalReport, stand_in_line
from emulated_neuron.sampling import simple_sample
from emulated_neuron.specs import Spec
from emulated_neuron.threads import Threads
from neuron_rules import context_buckets, rule_dims, token_buckets

if TYPE_CHECKING:
    from transformers import PretrainedConfig

logger = logging.getLogger("transformers_neuronx")

# What a number may take of this computer: CPUs have no fast f16, and without FBGEMM its weights are held in f32.
_HELD = {torch.float32: torch.float32, torch.float16: torch.float32, torch.bfloat16: torch.bfloat16}


class ModelForSampling:
    """A decoder-only model with transformers-neuronx's contract; subclasses give architecture and defaults."""

    architecture: ClassVar[str]
    default_amp: ClassVar[str | None] = "f32"  # None: what the configuration's torch_dtype says
    default_n_positions: ClassVar[int | None] = None  # None: all positions of the configuration
    sample_defaults: ClassVar[Mapping[str, Any]] = {"start_ids": None, "top_k": 50}

    def __init__(
        self,
        config: PretrainedConfig,
        batch_size: int = 1,
        amp: str | None = None,
        tp_degree: int = 2,
        n_positions: int | None = None,
        unroll: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Check what needs no device; further keyword arguments override attributes of `config`, in a copy of it.

        Raises KeyError (dtype name, unknown argument), ValueError (n_positions), NotImplementedError (variants).
        """
        self.environment = read_environment()
        generation = self.environment.generation
        if self.architecture not in generation.architectures:
            raise RehearsalError(f"{generation.title} has no model class for `{self.architecture}`")
        known = generation.constructor_arguments[self.architecture]
        self.options = {name: kwargs.pop(name) for name in known if name in kwargs}
        if kwargs:
            config = copy.deepcopy(config)
            override(config, kwargs)
        self.config, self.batch_size, self.tp_degree, self.unroll = config, batch_size, tp_degree, unroll
        self.spec = Spec.from_config(config)
        self.rule_dims = rule_dims(config.to_dict())
        check_int8(self.architecture, self.options.get("neuron_config"), generation)
        if self.default_amp is None and amp is not None:
            warnings.warn(f"torch_dtype of the configuration is ignored: amp={amp!r} is used", stacklevel=2)
        self.amp = choose_amp(amp or self.default_amp, config, generation)
        self.matrix_dtype = choose_matrix_dtype(self.amp, self.options.get("neuron_config"))
        wanted = self.default_n_positions if n_positions is None else n_positions
        self.n_positions = choose_n_positions(
            wanted, self.rule_dims, held=self.spec.dims.max_positions, architecture=self.architecture
        )
        if self.spec.activation not in ACTIVATIONS:
            raise AttributeError(f"activation {self.spec.activation!r}: use one of {', '.join(ACTIVATIONS)}")
        self.token_buckets = token_buckets(self.n_positions)
        self._threads = Threads(self.spec.dims.parameters * _HELD[self.dtype].itemsize)
        self._weights: Mapping[str, Tensor] | None = None
        self._decoder: Decoder | None = None
        self._report: RehearsalReport | None = None
        # Handlers ask inspect.signature(model.sample) whether this generation has start_ids.
        names = generation.sample_arguments[self.architecture]
        vars(self)["sample"] = with_signature(self.sample, names, self.sample_defaults)

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike, *args: Any, **kwargs: Any) -> Self:
        """Open a folder written by save_pretrained_split (or with one pytorch_model.bin); nothing is downloaded.

        A name on a hub finds its configuration and then fails with FileNotFoundError, as the real package does.
        """
        from transformers import AutoConfig

        model = cls(AutoConfig.from_pretrained(path), *args, **kwargs)
        model._weights = open_checkpoint(path)
        return model

    def load_state_dict_low_memory(self, state_dict: dict[str, Tensor]) -> None:
        """Take the tensors out of a Hugging Face state dict, which is empty afterwards."""
        self._weights = {key: state_dict.pop(key) for key in list(state_dict)}

    def to_neuron(self) -> None:
        """Place the model on the emulated cores and make it ready; call it once, before anything is computed.

        Raises RuntimeError (cores, degree, heads, memory), ValueError (unroll, missing weights), TypeError (unroll).
        """
        if self._weights is None:
            state = "to_neuron() was called before" if self._decoder else "no weights are loaded"
            raise RuntimeError(f"{state}: open a checkpoint with from_pretrained() and call to_neuron() once")
        check_unroll(self.architecture, self.unroll, self.rule_dims.layers)
        check_counts(self.batch_size, self.n_positions)
        if self.matrix_dtype == "u8" and self.unroll not in (None, self.rule_dims.layers):
            raise NotImplementedError(f"amp={self.amp!r} needs all layers in one program: leave out unroll")
        if self.config_stands_for:
            logger.info(stand_in_line(self.spec.dims, self.rule_dims))
        self._report = place(
            self.rule_dims,
            self.environment,
            stand_in=self.config_stands_for,
            degree=self.tp_degree,
            batch_size=self.batch_size,
            n_positions=self.n_positions,
            amp=self.amp,
            matrix_dtype=self.matrix_dtype,
            token_buckets=self.token_buckets,
            context_buckets=self._context_buckets(),
        )
        check_host_memory(self.spec.dims, _HELD[self.dtype], self.matrix_dtype)
        self._decoder = Decoder(
            self.spec,
            self._weights,
            amp=self.dtype,
            compute=computed_in(self.dtype),
            batch_size=self.batch_size,
            n_positions=self.n_positions,
            matrix_dtype=self.matrix_dtype,
            hide_padding=not self.environment.equal_prompts,
        )
        self._weights = None
        return_freed_memory()

    def sample(self, **arguments: Any) -> Tensor:
        """Generate to a total length: int64 (B, max(prompt, sequence_length)), the prompt first and never cut.

        The parameters are those of the emulated generation: input_ids, sequence_length, and from 0.8 start_ids (left
        padding of each row) and top_k. Beyond n_positions it ends in a bare StopIteration, as on the chip.
        """
        with self._running():
            tokens = self._sample(**arguments)
        return tokens.clone()  # outside of inference mode, so that the caller may write to it

    def forward(
        self,
        input_ids: Tensor,
        cache_ids: Tensor | None = None,
        start_ids: Tensor | None = None,
        *,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, V) in f32 of the last position; `cache_ids` (`position_ids` in 0.2) are the tokens' positions."""
        positions = cache_ids if position_ids is None else position_ids
        if positions is None:
            raise TypeError("forward() missing 1 required positional argument: 'cache_ids'")
        with self._running():
            logits = self.step(input_ids, int(positions.reshape(-1)[0]), paddings(start_ids))
        return logits.clone()

    __call__ = forward

    def reset(self) -> None:
        """Forget all tokens."""
        self.decoder.reset()

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Let row i of the KV cache continue what row `beam_idx[i]` has seen."""
        with torch.inference_mode():
            self.decoder.reorder(beam_idx)

    def rehearsal_report(self) -> RehearsalReport:
        """What the chip would hold and do; raises TypeError before to_neuron()."""
        if self._report is None:
            raise TypeError("the model is on no device yet: call to_neuron() first")
        return self._report

    @property
    def decoder(self) -> Decoder:
        """What computes; raises TypeError before to_neuron(), as calling the missing program does."""
        if self._decoder is None:
            raise TypeError("'NoneType' object is not callable: call to_neuron() before the first token")
        return self._decoder

    @property
    def dtype(self) -> torch.dtype:
        """The torch dtype that `amp` computes in."""
        return dtypes.to_torch_dtype(dtypes.split_amp(self.amp)[0])

    @property
    def config_stands_for(self) -> bool:
        """Whether the weights answer to the name of a larger model."""
        return self.rule_dims != self.spec.dims

    def step(self, input_ids: Tensor, start: int, start_ids: Tensor | None = None) -> Tensor:
        """Logits (B, V) after `input_ids` (B, T) at cache positions from `start` on; raises as `sample` does."""
        if not torch.is_inference_mode_enabled():  # a loop of the caller's own
            with self._running():
                logits = self.step(input_ids, start, start_ids)
            return logits.clone()
        decoder = self.decoder
        if input_ids.shape[0] != self.batch_size:
            self._refuse_batch(input_ids)
        check_position(start + input_ids.shape[1] - 1, start_ids, self.rule_dims, self.token_buckets)
        with self._threads.step(input_ids.shape[1]):
            return decoder.forward(input_ids, start, start_ids)

    def check_discarded(self, position: int) -> None:
        """0.2 runs one more pass after the last token; only what it raises can be noticed."""
        # Its buckets are found by `>= position`, one too generous: harmless here, because nobody reads the result.
        if self.environment.generation.name == "0.2":
            check_position(position, None, self.rule_dims, self.token_buckets, slack=1)

    def _refuse_batch(self, input_ids: Tensor) -> NoReturn:
        raise RuntimeError(
            f"input of shape {tuple(input_ids.shape)} does not match the compiled shape "
            f"({self.batch_size}, {input_ids.shape[1]}): send batch_size={self.batch_size} rows"
        )

    def _sample(self, input_ids: Tensor, sequence_length: int, *, start_ids: Any = None, **filters: Any) -> Tensor:
        eos = self.config.eos_token_id
        return simple_sample(
            self, input_ids, sequence_length, start_ids=paddings(start_ids), eos_token_id=eos, **filters
        )

    def _context_buckets(self) -> tuple[int, ...]:
        if not self.environment.generation.context_buckets:
            return ()
        return context_buckets(self.options.get("context_length_estimate"), self.n_positions)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Inference mode, on as many threads as pay off."""
        with self._threads.running(), torch.inference_mode():
            yield
