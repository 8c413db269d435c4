"""A key that says nothing."""

from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "empty-value", Severity.WARNING
WHY = "An empty value is not the default: the handler gets an empty text, and a number or a name made of it fails."
CURE = "Give the key a value, or delete the line."
BAD = "engine=Python\noption.revision=\n"
GOOD = "engine=Python\n"
EXPECT = ["serving.properties:2 `option.revision` has no value"]

_FLAT = "Write `option.` in front of each key below it, and delete the line."
# Java makes a number, an engine, a module or a program of these while it loads.
_ENDS_THE_LOAD = {
    *("engine", "option.entryPoint", "option.pythonExecutable", "option.tensor_parallel_degree"),
    *("batch_size", "job_queue_size", "max_batch_delay", "max_idle_time", "required_memory_mb", "reserved_memory_mb"),
    *("minWorkers", "maxWorkers", "nc.minWorkers", "nc.maxWorkers"),
}


def check(folder: Folder) -> Hits:
    for entry in folder.properties.effective():
        if not entry.value.strip() and not entry.variable:
            if entry.key == "option":
                yield Hit(entry, "`option` opens no block: this is no YAML", severity=Severity.ERROR, fix=_FLAT)
                continue
            severity = Severity.ERROR if entry.key in _ENDS_THE_LOAD else None
            yield Hit(entry, f"`{short(entry.written)}` has no value", severity=severity)
