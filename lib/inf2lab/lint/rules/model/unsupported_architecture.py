"""The built-in handler of this release has no class for the model."""

from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "unsupported-architecture", Severity.ERROR
WHY = (
    "The handler picks a class by model_type: 0.21.0 knows two families, 0.24.0 six, 0.29.0 eight; "
    "another is a ValueError."
)
CURE = "Choose a release that knows the family, or write a model.py."
BAD = {
    "serving.properties": (
        "option.entryPoint=djl_python.transformer-neuronx\noption.dtype=fp16\noption.model_loading_timeout=1200\n"
    ),
    "config.json": '{"model_type": "llama"}',
}
GOOD = BAD | {"config.json": '{"model_type": "opt"}'}
EXPECT = ["serving.properties:1 the built-in handler of 0.21.0 has no class for `llama`; it has opt, gpt2"]
PROFILE = "seed-0.21"
_OPTIMUM = (0, 26)  # from here on optimum-neuron may load what the handler does not list


def check(folder: Folder) -> Hits:
    kind = folder.config.get("model_type") if isinstance(folder.config, dict) else None
    kind = kind or (folder.dims.architecture if folder.dims else None)
    if folder.built_in and isinstance(kind, str) and kind not in folder.profile.architectures:
        entry = folder.option("model_id") or folder.entry_point
        yield Hit(
            entry.line if entry else 1,
            f"the built-in handler of {folder.profile.djl} has no class for `{short(kind)}`; "
            f"it has {', '.join(folder.profile.architectures)}",
            severity=Severity.WARNING if folder.release >= _OPTIMUM else None,
        )
