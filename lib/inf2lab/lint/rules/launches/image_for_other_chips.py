"""The image is for chips that the instance does not have."""

from inf2lab.lint.examples import launched
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "image-for-other-chips", Severity.ERROR
WHY = (
    "One repository holds vLLM with NxD Inference, the last of which for Inf2 is sdk2.31.1, and vllm-neuron, which is "
    "for Trn2 and later only. Their tags look alike."
)
CURE = "Take 0.16.0-neuronx-py312-sdk2.31.1-ubuntu24.04 or an older tag, or another instance."
GOOD = launched("")
_OLD, _NEW = "0.13.0-neuronx-py312-sdk2.28.0", "0.24.0.1.1.0-neuronx-py313-sdk2.32.0"
BAD = GOOD | {"run.sh": GOOD["run.sh"].replace(_OLD, _NEW)}
EXPECT = [f"run.sh:2 `{_NEW}-ubuntu24.04` is for trn2, trn3, and inf2.48xlarge is inf2"]


def check(folder: Folder) -> Hits:
    for launch in folder.launches:
        row, here = launch.row, folder.instance
        if row and launch.container and row.families != ("gpu",) and here.family not in row.families:
            message = f"`{short(row.tag)}` is for {', '.join(row.families)}, and {here.name} is {here.family}"
            yield Hit(launch.at(row.tag), message)
