"""What DJL 0.25's rolling batch takes from transformers 4.34, offered on top of newer versions.

Its scheduler builds processors, warpers and stopping criteria outside of generate(). By transformers 4.45 these
expect prepared special tokens and whole batches, and the warpers have become processors.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeAlias

from torch import Tensor
from transformers import GenerationConfig, GenerationMixin
from transformers.generation import (
    LogitsProcessorList,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

_WARPERS_APART = hasattr(GenerationMixin, "_get_logits_warper")  # as in 4.34
_TOKENS_PREPARED = hasattr(GenerationMixin, "_prepare_special_tokens")  # as in 4.45


if TYPE_CHECKING:
    _Base: TypeAlias = Any  # no release of transformers has all of the methods below
else:
    _Base = object


class RollingBatchMixin(_Base):
    """The builders with 4.34's signatures; within generate() they are transformers' own."""

    def _get_logits_processor(self, generation_config: GenerationConfig, *args: Any, **kwargs: Any) -> Any:
        if not _WARPERS_APART and "device" not in kwargs:  # generate() always names the device
            generation_config = _prepare(self, generation_config)
            generation_config.do_sample = False  # or the warpers would be applied twice
        return super()._get_logits_processor(generation_config, *args, **kwargs)

    def _get_logits_warper(self, generation_config: GenerationConfig, *args: Any) -> LogitsProcessorList:
        if _WARPERS_APART:
            return super()._get_logits_warper(generation_config, *args)
        config, warpers = generation_config, LogitsProcessorList()
        if config.temperature is not None and config.temperature != 1.0:
            warpers.append(TemperatureLogitsWarper(config.temperature))
        if config.top_k:
            warpers.append(TopKLogitsWarper(config.top_k))
        if config.top_p is not None and config.top_p < 1.0:
            warpers.append(TopPLogitsWarper(config.top_p))
        if config.typical_p is not None and config.typical_p < 1.0:
            warpers.append(TypicalLogitsWarper(config.typical_p))
        return warpers

    def _get_generation_mode(self, generation_config: GenerationConfig, assistant_model: Any) -> Any:
        if hasattr(generation_config, "get_generation_mode"):
            return generation_config.get_generation_mode(assistant_model)
        return super()._get_generation_mode(generation_config, assistant_model)

    def _get_stopping_criteria(self, generation_config: GenerationConfig, *args: Any, **kwargs: Any) -> Any:
        if _TOKENS_PREPARED and not hasattr(generation_config, "_eos_token_tensor"):
            generation_config = _prepare(self, generation_config)
        return _RowCriteria(super()._get_stopping_criteria(generation_config, *args, **kwargs))


class _RowCriteria(StoppingCriteriaList):
    """Criteria that also take one row without its batch dimension, and then answer with a plain bool."""

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Any:
        if input_ids.dim() == 1:
            return bool(super().__call__(input_ids[None], scores, **kwargs))
        return super().__call__(input_ids, scores, **kwargs)


def _prepare(model: Any, generation_config: GenerationConfig) -> GenerationConfig:
    """A copy with the special tokens as tensors."""
    generation_config = copy.deepcopy(generation_config)
    model._prepare_special_tokens(generation_config, device="cpu")
    return generation_config
