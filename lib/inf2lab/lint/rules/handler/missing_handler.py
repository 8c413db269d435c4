"""Nothing says which code answers, or the file that is named is not there."""

from inf2lab.lint.examples import HANDLER, OLD_OPT_13B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "missing-handler", Severity.ERROR
WHY = "A worker that finds no handler exits, the load fails, and the server stops."
CURE = "Write model.py into the folder, or name the built-in handler with `option.entryPoint`."
BAD = "option.entryPoint=model.py\noption.model_id=facebook/opt-13b\n"
GOOD = {"serving.properties": "option.entryPoint=model.py\n", "model.py": HANDLER}
EXPECT = ["serving.properties:1 there is no file `model.py` in the folder"]
MORE = [
    Example(
        bad="option.model_id=facebook/opt-13b\noption.tensor_parallel_degree=2\n",
        good=OLD_OPT_13B,
        expect=("serving.properties:1 neither `option.entryPoint` nor model.py: 0.21.0 chooses no handler itself",),
        profile="seed-0.21",
    )
]


def check(folder: Folder) -> Hits:
    entry = folder.entry_point
    if entry is None:
        if folder.handler is None and not folder.profile.automatic_handler:
            message = f"neither `option.entryPoint` nor model.py: {folder.profile.djl} chooses no handler itself"
            yield Hit(1, message, fix=f"write `option.entryPoint={folder.profile.entry_point}`")
        return
    value = entry.value.strip()
    if value.endswith(".py") and "/" not in value and value not in folder.files:
        yield Hit(entry, f"there is no file `{short(value)}` in the folder")
