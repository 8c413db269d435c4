"""The output class that DJL's Stable Diffusion code names; refused on use."""

from __future__ import annotations

from diffusers import Unavailable


class UNet2DConditionOutput(Unavailable):
    """Refused on use."""
