"""The real package's names for number formats; what they mean is in emulated_neuron.dtypes."""

from __future__ import annotations

from emulated_neuron.dtypes import to_amp, to_torch_dtype

__all__ = ["to_amp", "to_torch_dtype"]
