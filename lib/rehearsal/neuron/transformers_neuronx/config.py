"""What a caller may ask of a model beyond its constructor's arguments: int8 storage of the layers' matrices."""

from __future__ import annotations

from dataclasses import dataclass

from emulated_neuron.environment import refuse_before

refuse_before("0.8", __name__)


@dataclass
class QuantizationConfig:
    """int8 storage: `quant_dtype` (only `s8`), computed in `dequant_dtype` (an `amp` name)."""

    quant_dtype: str | None = None
    dequant_dtype: str | None = None
    quantize_method: str = "vector_dynamic"
    quantize_attn: bool = True

    def __post_init__(self) -> None:
        if self.quant_dtype not in (None, "s8"):
            raise NotImplementedError(f"quant_dtype {self.quant_dtype!r}: only 's8' is supported")


@dataclass
class NeuronConfig:
    """Options of a model; DJL's handler sets `quant` on a fresh one (`option.load_in_8bit`)."""

    quant: QuantizationConfig | None = None
