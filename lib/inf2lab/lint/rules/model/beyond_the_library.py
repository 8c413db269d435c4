"""A variant of a family, or a way of storing it, that the chip's library does not compute."""

import json

from inf2lab.lint.examples import OPT_13B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity
from neuron_rules import ARCHITECTURES, computed_activation, refused_int8, refused_variants

NAME, SEVERITY = "beyond-the-library", Severity.ERROR
WHY = (
    "transformers-neuronx has one way for each family: OPT with norms in front, GPT-NeoX with parallel branches and "
    "gelu_new, int8 for GPT-2, OPT, BLOOM and Llama. Another way raises NotImplementedError, or is computed otherwise."
)
CURE = "Choose a model of the kind that it computes, or serve this one elsewhere."
BAD = OPT_13B.replace("opt-13b", "opt-350m")
GOOD = OPT_13B
EXPECT = [
    "serving.properties:2 opt with do_layer_norm_before=False is not supported: use one with do_layer_norm_before=True"
]
_GPTJ = OPT_13B.replace("facebook/opt-13b", "EleutherAI/gpt-j-6b")
_NEOX = {"serving.properties": OPT_13B, "config.json": json.dumps({"model_type": "gpt_neox", "hidden_act": "gelu"})}
MORE = [
    Example(
        bad=_GPTJ + "option.load_in_8bit=true\n",
        good=_GPTJ + "option.load_in_8bit=false\n",
        expect=(
            "serving.properties:3 transformers-neuronx 0.8.268 (SDK 2.15, 2023-10, DJL 0.25) stores no int8 weights "
            "for GPT-J: use f16 or bf16 (BLOOM, GPT-2, Llama, OPT can)",
        ),
        folder="m",
    ),
    Example(
        bad=_NEOX,
        good=_NEOX | {"config.json": json.dumps({"model_type": "gpt_neox", "hidden_act": "gelu_new"})},
        expect=(
            "serving.properties:2 `hidden_act` is gelu, and GPT-NeoX is computed with gelu_new: texts differ a little",
        ),
        folder="m",
    ),
]


def check(folder: Folder) -> Hits:
    if not (folder.built_in or folder.own):
        return
    config = folder.model_config
    place = folder.option("model_id") or folder.entry_point or 1
    for refused in refused_variants(config, besides=("rope_scaling",)):
        yield Hit(place, refused)
    family = ARCHITECTURES.get(str(config.get("model_type")))
    if family is None:
        return
    if folder.in_8bit and (said := refused_int8(family.name, folder.rules)):
        yield Hit(folder.option("load_in_8bit") or folder.option("quantize") or 1, said)
    asked = config.get(family.activation or "")
    if isinstance(asked, str) and (computed := computed_activation(family, asked)) != asked:
        message = f"`{family.activation}` is {asked}, and {family.title} is computed with {computed}"
        yield Hit(place, f"{message}: texts differ a little", severity=Severity.NOTE)
