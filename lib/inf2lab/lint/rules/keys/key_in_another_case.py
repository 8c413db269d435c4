"""Keys are compared letter by letter: another case is another key."""

from inf2lab import catalog
from inf2lab.lint.examples import OPT_13B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "key-in-another-case", Severity.ERROR
WHY = "`option.entrypoint` is not `option.entryPoint`: the server does not see it and goes on with its default."
CURE = "Write the key with the letters that the server compares."
BAD = "option.entrypoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-13b\n"
GOOD = OPT_13B
EXPECT = ["serving.properties:1 `option.entrypoint` is not seen: it is spelled `option.entryPoint`"]


def check(folder: Folder) -> Hits:
    table = catalog.options()
    names = {name.lower(): name for name in table.options} | {k.lower(): k for k in table.server_keys}
    for entry in folder.properties.effective():
        prefix, name = (entry.key[:7], entry.key[7:]) if entry.key.lower().startswith("option.") else ("", entry.key)
        right = names.get(name.lower())
        if right is None:
            continue
        known = f"option.{right}" if prefix else right
        own = folder.own is not None and folder.own.reads(name) and prefix in ("", "option.")
        counts = right in table.options or right.endswith("Workers")  # those of the server that may have the prefix
        if known == entry.key or own or (prefix and not counts):
            continue
        if not prefix and right not in table.server_keys and name == right:
            continue
        edit = None if folder.properties.last(known) else entry.with_key(known)
        yield Hit(entry, f"`{entry.written}` is not seen: it is spelled `{known}`", fix=f"write `{known}`", edit=edit)
