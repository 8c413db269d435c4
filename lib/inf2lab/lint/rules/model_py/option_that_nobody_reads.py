"""serving.properties sets an option that model.py never reads."""

from inf2lab import catalog
from inf2lab.lint.examples import HANDLER_OF_MODEL_ID
from inf2lab.lint.handler import Handler
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "option-that-nobody-reads", Severity.WARNING
WHY = (
    "With a handler of your own nobody else reads the model's options: a line that the code does not ask "
    "for does nothing."
)
CURE = "Read it in model.py, or delete the line."
BAD = {
    "serving.properties": "option.model_id=facebook/opt-13b\noption.n_positions=256\n",
    "model.py": HANDLER_OF_MODEL_ID,
}
GOOD = {"serving.properties": "option.model_id=facebook/opt-13b\n", "model.py": HANDLER_OF_MODEL_ID}
EXPECT = ["serving.properties:2 model.py never reads `n_positions`: the line does nothing"]


def check(folder: Folder) -> Hits:
    own, table = folder.own, catalog.options().options
    if own is None or own.error or _may_read_all(own):
        return
    for entry in folder.properties.effective():
        server = entry.name in table and table[entry.name].reader == "server"
        if entry.is_option and not server and not own.reads(entry.name):
            does = (
                "only the server reads the degree"
                if entry.name == "tensor_parallel_degree"
                else "the line does nothing"
            )
            yield Hit(entry, f"{own.file} never reads `{short(entry.name)}`: {does}")


def _may_read_all(handler: Handler) -> bool:
    """Whether the handler may be somebody else's: its work is done in a module that this linter does not see."""
    return handler.options[1] or not handler.functions
