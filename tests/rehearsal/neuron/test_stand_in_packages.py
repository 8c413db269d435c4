"""torch_neuronx and diffusers can be imported, and say what they lack when they are used."""

from __future__ import annotations

import diffusers
import pytest
import torch_neuronx
from diffusers.models.cross_attention import CrossAttention
from diffusers.models.unet_2d_condition import UNet2DConditionOutput


@pytest.mark.parametrize("use", [torch_neuronx.trace, torch_neuronx.DataParallel])
def test_torch_neuronx_refuses(use: object) -> None:
    with pytest.raises(torch_neuronx.NotInRehearsal, match="inf2 instance"):
        use(None, None)


@pytest.mark.parametrize(
    "use",
    [
        diffusers.StableDiffusionPipeline.from_pretrained,
        diffusers.DPMSolverMultistepScheduler.from_config,
        CrossAttention,
        UNet2DConditionOutput,
    ],
)
def test_diffusers_refuses(use: object) -> None:
    with pytest.raises(diffusers.NotInRehearsal, match="Stable Diffusion"):
        use("model")
