"""An option that the built-in handler of this release does not read yet, or a key that the server does not."""

from inf2lab import catalog
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "option-of-a-later-release", Severity.WARNING
WHY = "Each release reads more options than the one before; an older one ignores what it does not know."
CURE = "Delete the line, or choose a profile that reads it."
BAD = "option.model_id=facebook/opt-13b\noption.task=text-generation\n"
GOOD = "option.model_id=facebook/opt-13b\n"
EXPECT = ["serving.properties:2 `option.task` is read from DJLServing 0.26.0 on; 0.25.0 ignores it"]
MORE = [
    Example(
        bad="option.model_id=facebook/opt-13b\nmax_dynamic_batch_size=4\n",
        good="option.model_id=facebook/opt-13b\nbatch_size=4\n",
        expect=("serving.properties:2 `max_dynamic_batch_size` is read from DJLServing 0.27.0 on; 0.25.0 ignores it",),
    )
]


def check(folder: Folder) -> Hits:
    table = catalog.options()
    for entry in folder.properties.effective():
        option = table.options.get(entry.name) if entry.is_option else table.server_keys.get(entry.key)
        if option is None or option.known_in(folder.release):
            continue
        handlers = entry.is_option and table.options[entry.name].reader == "handler"
        if (handlers and not folder.built_in) or (folder.own and folder.own.reads(entry.name)):
            continue
        message = f"`{entry.written}` is read from DJLServing {option.since} on; {folder.profile.djl} ignores it"
        yield Hit(entry, message, edit=entry.removed())
