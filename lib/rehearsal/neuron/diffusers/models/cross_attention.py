"""The attention class that DJL's Stable Diffusion code patches."""

from __future__ import annotations

from diffusers import _Unavailable


class CrossAttention(_Unavailable):
    """Refused on use."""
