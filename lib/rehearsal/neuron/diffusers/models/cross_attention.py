"""The attention class that DJL's Stable Diffusion code patches."""

from __future__ import annotations

from diffusers import Unavailable


class CrossAttention(Unavailable):
    """Refused on use."""
