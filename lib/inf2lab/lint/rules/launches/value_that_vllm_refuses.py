"""A value that was DJLServing's or an older fork's, and that vLLM's parser refuses."""

from inf2lab.lint.examples import launched
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "value-that-vllm-refuses", Severity.ERROR
WHY = (
    "vLLM takes whole words for number formats: fp16, bf16 and f16 were DJLServing's and transformers-neuronx's. "
    "`--quantization neuron_quant` ended with the forks."
)
CURE = "Write float16, bfloat16 or float32; int8 weights are settings of NxD Inference (`quantized`)."
BAD = launched("--dtype fp16")
GOOD = launched("--dtype float16")
EXPECT = ["run.sh:3 `--dtype fp16` is refused"]
_REFUSED = {"--dtype": ("fp16", "f16", "bf16", "fp32", "f32"), "--quantization": ("neuron_quant",)}


def check(folder: Folder) -> Hits:
    for launch in folder.launches:
        for flag, refused in _REFUSED.items():
            if (value := launch.flag(flag)) in refused:
                yield Hit(launch.at(flag), f"`{flag} {short(value or '')}` is refused")
