"""The release cannot read the model: no class in its handler, or packages older than the model."""

from inf2lab.lint.examples import OPT_13B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "unsupported-architecture", Severity.ERROR
WHY = (
    "The handler picks a class by model_type: 0.21.0 knows two families, 0.24.0 six, 0.27.0 eight; another is a "
    "ValueError. A model that is newer than the image's transformers ends while its configuration is read."
)
CURE = "Choose a release that reads the model."
BAD = {
    "serving.properties": (
        "option.entryPoint=djl_python.transformer-neuronx\noption.dtype=fp16\noption.model_loading_timeout=7200\n"
    ),
    "config.json": '{"model_type": "bloom"}',
}
GOOD = BAD | {"config.json": '{"model_type": "opt"}'}
EXPECT = [
    "serving.properties:1 the built-in handler of 0.21.0 has no class for `bloom`; it has opt, gpt2",
    "serving.properties:1 `bloom` is read from transformers-neuronx 0.5 on, and the image of 0.21.0 has 0.2",
]
PROFILE = "seed-0.21"
MORE = [
    Example(
        bad=OPT_13B.replace("facebook/opt-13b", "meta-llama/Llama-3.1-8B-Instruct"),
        good=OPT_13B.replace("facebook/opt-13b", "meta-llama/Llama-2-7b-hf"),
        expect=(
            "serving.properties:2 rope_scaling of type llama3 is read from transformers 4.43.0 on, and the image of "
            "0.28.0 has 4.36.2",
            "serving.properties:2 rope_scaling of type llama3 is computed right from transformers-neuronx 0.12.313 on, "
            "and the image of 0.28.0 has 0.10.0.360",
        ),
        profile="djl-0.28",
        folder="m",
    ),
    Example(
        bad=OPT_13B.replace("facebook/opt-13b", "Qwen/Qwen3-8B"),
        good=OPT_13B,
        expect=("serving.properties:2 no generation of this stack serves `qwen3`",),
        folder="m",
    ),
]


def check(folder: Folder) -> Hits:
    guessed = bool(folder.model_config.get("guessed"))
    replaced = any(line.strip().lower().startswith("transformers") for line in folder.requirements)
    for obstacle in folder.obstacles:
        if replaced and " transformers " in obstacle.said:
            continue  # requirements.txt brings another
        softer = Severity.WARNING if obstacle.loads or guessed else None
        yield Hit(
            folder.option("model_id") or folder.entry_point or 1, obstacle.said, fix=obstacle.remedy, severity=softer
        )
