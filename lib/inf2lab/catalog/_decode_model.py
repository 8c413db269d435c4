"""The decode model's coefficients and errors, as tools/fit_decode_model.py wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from inf2lab.catalog._access import read_file


def decode_model() -> Mapping[str, Any]:
    """Return coefficients, leave-one-family-out errors, ratios of older releases, and the range of the fitted rows."""
    return MappingProxyType(read_file("decode_model"))
