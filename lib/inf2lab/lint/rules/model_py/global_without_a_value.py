"""A name is global in one function, read in another, and has no value until the first has run."""

import ast

from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "global-without-a-value", Severity.NOTE
WHY = "It works as long as the function that assigns it runs first; before that, reading it is a NameError."
CURE = "Give it a value at the top of the file, as in `tokenizer = None`."
BAD = {
    "serving.properties": "engine=Python\n",
    "model.py": (
        "def infer(text):\n    return tokenizer(text)\n\n\ndef handle(inputs):\n    global tokenizer\n"
        "    tokenizer = str\n    return None\n"
    ),
}
GOOD = BAD | {"model.py": "tokenizer = None\n" + BAD["model.py"]}
EXPECT = ["model.py:6 `tokenizer` has no value before this function has run, and `infer` reads it"]


def check(folder: Folder) -> Hits:
    own = folder.own
    if own is None:
        return
    readers: dict[str, str] = {}
    for name, function in own.functions.items():
        declared = {n for node in ast.walk(function) if isinstance(node, ast.Global) for n in node.names}
        bound = {
            node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        bound |= {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id not in declared | bound:
                readers.setdefault(node.id, name)
    for statement in (node for node in own.nodes if isinstance(node, ast.Global)):
        for name in statement.names:
            if name not in own.module_names and name in readers:
                message = f"`{name}` has no value before this function has run, and `{readers[name]}` reads it"
                yield Hit(own.at(statement.lineno), message)
