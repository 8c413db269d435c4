"""Every worker writes its split checkpoint to the same place."""

import ast

from inf2lab.lint.examples import HANDLER_THAT_SPLITS
from inf2lab.lint.handler import argument, name_called
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "shared-split-folder", Severity.WARNING
WHY = (
    "The server starts a worker for each group of cores, at the same time; one may read what another is still writing."
)
CURE = "Use `tempfile.mkdtemp()` and remove the folder after loading."
BAD = {"serving.properties": "option.tensor_parallel_degree=2\n", "model.py": HANDLER_THAT_SPLITS}
GOOD = {
    "serving.properties": "option.tensor_parallel_degree=2\n",
    "model.py": HANDLER_THAT_SPLITS.replace('os.path.join(tempfile.gettempdir(), "opt")', "tempfile.mkdtemp()"),
}
EXPECT = ["model.py:9 all 12 workers split the checkpoint into one folder"]


def check(folder: Folder) -> Hits:
    own = folder.own
    if own is None or folder.copies < 2:
        return
    values = dict(own.assignments)
    for call in own.calls_of("save_pretrained_split"):
        place = argument(call, "save_directory", 1)
        place = values.get(place.id, place) if isinstance(place, ast.Name) else place
        if place is not None and _is_fixed(place):
            yield Hit(own.at(call.lineno), f"all {folder.copies} workers split the checkpoint into one folder")


def _is_fixed(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    names = {name_called(n) for n in ast.walk(node) if isinstance(n, ast.Call)}
    return "gettempdir" in names and not names & {"mkdtemp", "getpid", "uuid4", "TemporaryDirectory"}
