"""fp16 is the built-in handler's word, f16 the library's; each fails in the other's place."""

from inf2lab import catalog
from inf2lab.folder import TYPES
from inf2lab.lint.examples import HANDLER_OF_DTYPE, OLD_OPT_13B, OPT_13B
from inf2lab.lint.handler import Handler, argument, name_called
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "dtype-of-the-other-route", Severity.ERROR
WHY = (
    "The built-in handler translates fp16 into f16 and refuses anything else. A model.py that hands the value to "
    "transformers-neuronx needs the library's own word; `fp16` there is a KeyError."
)
CURE = "Write one of the words that are taken."
BAD = OPT_13B + "option.dtype=f16\n"
GOOD = OPT_13B + "option.dtype=fp16\n"
EXPECT = ["serving.properties:3 the built-in handler of 0.25.0 does not know `f16`; it takes fp32, fp16, bf16"]
MORE = [
    Example(
        bad={"serving.properties": "option.dtype=fp16\n", "model.py": HANDLER_OF_DTYPE},
        good={"serving.properties": "option.dtype=f16\n", "model.py": HANDLER_OF_DTYPE},
        expect=("serving.properties:1 model.py hands `fp16` to transformers-neuronx, which takes f32, f16, bf16",),
    ),
    Example(
        bad=OLD_OPT_13B + "option.dtype=bf16\n",
        good=OLD_OPT_13B + "option.dtype=fp16\n",
        expect=("serving.properties:3 the built-in handler of 0.21.0 does not know `bf16`; it takes fp32, fp16",),
        profile="seed-0.21",
    ),
]


def check(folder: Folder) -> Hits:
    entry = folder.option("dtype")
    if entry is None or not entry.value.strip():
        return
    word, words = entry.value.strip(), folder.profile.handler_dtypes
    if folder.built_in and word not in words:
        meant = next((spelling for spelling, amp in words.items() if amp == _amp(word)), None)
        yield Hit(
            entry,
            f"the built-in handler of {folder.profile.djl} does not know `{short(word)}`; it takes {', '.join(words)}",
            fix=f"write `{meant}`" if meant else None,
            edit=entry.with_value(meant) if meant and meant != word else None,
        )
    elif folder.own and _handed_on(folder.own) and word not in folder.rules.dtypes:
        meant = _amp(word) if _amp(word) in folder.rules.dtypes else None
        yield Hit(
            entry,
            f"{folder.own.file} hands `{short(word)}` to transformers-neuronx, "
            f"which takes {', '.join(folder.rules.dtypes)}",
            fix=f"write `{meant}`" if meant else None,
            edit=entry.with_value(meant) if meant else None,
        )


def _amp(word: str) -> str | None:
    """Return the library's word for a number format that is spelled in PyTorch's way, or in capitals."""
    plain = word.lower().strip("\"'").removeprefix("torch.")
    spelled = {**catalog.profile(catalog.default_profile()).handler_dtypes, **TYPES}
    return spelled.get(plain, plain)


def _handed_on(handler: Handler) -> bool:
    for call in handler.calls:
        value = argument(call, "amp") or (argument(call, "dtype", 0) if name_called(call) == "to_torch_dtype" else None)
        if value is not None and handler.holds(value, "dtype"):
            return True
    return False
