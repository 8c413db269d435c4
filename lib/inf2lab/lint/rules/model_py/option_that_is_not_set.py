"""model.py reads an option that serving.properties does not set."""

from inf2lab.folder import PLAIN_KEYS_REACH_PYTHON
from inf2lab.lint.examples import HANDLER_OF_MODEL_ID
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "option-that-is-not-set", Severity.ERROR
WHY = '`properties["x"]` without the key is a KeyError in the first call, and the log shows only the key in quotes.'
CURE = "Set the option in serving.properties, or read it with a default."
BAD = {"serving.properties": "engine=Python\n", "model.py": HANDLER_OF_MODEL_ID}
GOOD = {"serving.properties": "option.model_id=facebook/opt-13b\n", "model.py": HANDLER_OF_MODEL_ID}
EXPECT = ["model.py:7 `model_id` is read here and set nowhere: KeyError: 'model_id'"]
_ALWAYS = {"model_dir", "device_id", "handler"}  # the worker and the server add these


def check(folder: Folder) -> Hits:
    own = folder.own
    if own is None:
        return
    plain = {entry.key for entry in folder.properties.entries}
    known = _ALWAYS | {entry.name for entry in folder.properties.effective() if entry.is_option}
    known |= plain if folder.release >= PLAIN_KEYS_REACH_PYTHON else set()
    converted = {id(call.args[0]) for name in ("int", "float") for call in own.calls_of(name) if call.args}
    for read in own.options[0]:
        bare = not read.required and not read.has_default and id(read.node) in converted
        if read.key in known or not (read.required or bare):
            continue
        outcome = f"KeyError: '{read.key}'" if read.required else "None cannot be made a number"
        yield Hit(own.at(read.line), f"`{short(read.key)}` is read here and set nowhere: {short(outcome)}")
