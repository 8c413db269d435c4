"""The built-in handler is spelled as another release spells it."""

import difflib

from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "entry-point-of-another-release", Severity.ERROR
WHY = (
    "The module was renamed twice: transformer-neuronx in 0.21.0, transformers-neuronx in 0.22.1 and 0.23.0, "
    "transformers_neuronx from 0.24.0. Each release knows one name; another ends in ModuleNotFoundError."
)
CURE = "Write the name of this release."
BAD = "option.entryPoint=djl_python.transformers-neuronx\noption.model_id=facebook/opt-13b\n"
GOOD = "option.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-13b\n"
EXPECT = ["serving.properties:1 DJLServing 0.25.0 has no module `djl_python.transformers-neuronx`"]
MORE = [
    Example(
        bad=f"option.entryPoint=djl_python.{name}\noption.model_id=facebook/opt-13b\n",
        good="option.entryPoint=djl_python.transformer-neuronx\noption.model_id=facebook/opt-13b\n",
        expect=(f"serving.properties:1 DJLServing 0.21.0 has no module `djl_python.{name}`",),
        profile="seed-0.21",
    )
    for name in ("transformers_neuronx", "transformers-neuronx")
]


def check(folder: Folder) -> Hits:
    entry = folder.entry_point
    if entry is None:
        return
    value, right = entry.value.strip(), folder.profile.entry_point
    misspelled = value.startswith("djl_python.") and difflib.SequenceMatcher(None, value, right).ratio() > 0.85
    if value != right and (folder.built_in or misspelled):
        message = f"DJLServing {folder.profile.djl} has no module `{short(value)}`"
        yield Hit(entry, message, fix=f"write `{right}`", edit=entry.with_value(right))
