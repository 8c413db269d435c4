"""A value that this release's handler does not know."""

from inf2lab import catalog
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "value-not-accepted", Severity.WARNING
WHY = "The handler compares these values with a short list that changes from release to release."
CURE = "Write one of the accepted values."
BAD = "option.model_id=facebook/opt-13b\noption.quantize=int4\n"
GOOD = "option.model_id=facebook/opt-13b\noption.quantize=bitsandbytes8\n"
EXPECT = ["serving.properties:2 `option.quantize` is `int4`; 0.25.0 takes bitsandbytes8"]
MORE = [
    Example(
        bad="option.model_id=facebook/opt-13b\noption.load_in_8bit=yes please\n",
        good="option.model_id=facebook/opt-13b\noption.load_in_8bit=True\n",
        expect=("serving.properties:2 `option.load_in_8bit` is `yes please`; 0.25.0 takes true, false",),
    )
]


def check(folder: Folder) -> Hits:
    if not folder.built_in:
        return
    for entry in folder.properties.effective():
        option = catalog.options().options.get(entry.name) if entry.is_option else None
        if option is None or not option.known_in(folder.release) or not entry.value.strip():
            continue
        accepted = ("true", "false") if option.kind == "bool" else option.choices_in(folder.release)
        if accepted and entry.value.strip().lower() not in accepted:
            yield Hit(
                entry, f"`{entry.written}` is `{short(entry.value)}`; {folder.profile.djl} takes {', '.join(accepted)}"
            )
