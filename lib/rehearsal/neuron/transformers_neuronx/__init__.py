"""The public API of transformers-neuronx on the CPU: the same names, contracts and limits, no Neuron device.

Lives on a worker's PYTHONPATH in the rehearsal lane only; on an instance AWS's package is the one imported.
"""

from __future__ import annotations

from transformers_neuronx.version import __getattr__ as __getattr__
