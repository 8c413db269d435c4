"""The whole checkpoint stays in memory while the split one is read."""

import ast

from inf2lab.lint.examples import HANDLER_OF_CHECKPOINT
from inf2lab.lint.handler import argument
from inf2lab.lint.rules import Folder, Hit, Hits, Severity
from inf2lab.words import plural

NAME, SEVERITY = "checkpoint-kept-while-splitting", Severity.NOTE
WHY = (
    "A worker holds the model, in 32-bit floats unless `torch_dtype` says otherwise, until the name is bound to "
    "something else: through the compilation, and while other workers load."
)
CURE = "`del` the checkpoint as soon as it is split, and start few copies."
BAD = {
    "serving.properties": "option.model_id=facebook/opt-13b\noption.tensor_parallel_degree=2\n",
    "model.py": HANDLER_OF_CHECKPOINT,
}
GOOD = BAD | {"model.py": HANDLER_OF_CHECKPOINT.replace("    compiled =", "    del checkpoint\n    compiled =")}
EXPECT = ["model.py:8 `checkpoint` is kept while the split weights are read: 51 GB for each of 12 workers"]


def check(folder: Folder) -> Hits:
    own = folder.own
    if own is None:
        return
    deleted = {
        target.id: node.lineno
        for node in own.nodes
        if isinstance(node, ast.Delete)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in own.calls_of("save_pretrained_split"):
        source = argument(call, "model", 0)
        if not isinstance(source, ast.Name) or deleted.get(source.id, 0) > call.lineno:
            continue
        copies = max(1, folder.copies)
        size = f"{folder.read_bytes / 1e9:.0f} GB" if folder.read_bytes else "all weights"
        yield Hit(
            own.at(call.lineno),
            f"`{source.id}` is kept while the split weights are read: {size} for each of {plural(copies, 'worker')}",
        )
