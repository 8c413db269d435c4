"""Finds, in what a worker printed, the traceback that a model's author wants to see.

DJL's 0.25 worker logs a handler's exception with a malformed call, so the real traceback comes wrapped in logging's own
complaint (`--- Logging error ---`, then the handler's traceback, then one of logging). An exception at import comes
plainly, after `Python engine process died`.
"""

from __future__ import annotations

from collections.abc import Iterable

LOGGING_ERROR = "--- Logging error ---"
HEAD = "Traceback (most recent call last):"
DURING = "During handling of the above exception, another exception occurred:"
ENGINE_DIED = "Python engine process died"


def handler_traceback(lines: Iterable[tuple[str, str]]) -> str:
    """The last exception of the model's code in the worker's output, or "" when it left none."""
    lines = list(lines)
    stderr = [text for stream, text in lines if stream == "stderr"]
    stdout = [text for stream, text in lines if stream == "stdout"]
    return _wrapped(stderr) or _plain(stdout) or _plain(stderr)


def _wrapped(lines: list[str]) -> str:
    """What stands between logging's complaint and logging's own traceback."""
    if LOGGING_ERROR not in lines:
        return ""
    start = len(lines) - lines[::-1].index(LOGGING_ERROR)
    block = lines[start:]
    if "Call stack:" in block:
        block = block[: block.index("Call stack:")]
    if DURING in block:  # the last such line separates the handler's exception from logging's
        block = block[: len(block) - 1 - block[::-1].index(DURING)]
    return "\n".join(block).strip("\n")


def _plain(lines: list[str]) -> str:
    """The traceback after the engine's last words, up to the end of its indented part and message."""
    start = len(lines) - 1 - lines[::-1].index(ENGINE_DIED) if ENGINE_DIED in lines else -1
    heads = [i for i, line in enumerate(lines) if line == HEAD and i > start]
    if not heads:
        return ""
    block = lines[heads[0] if start >= 0 else heads[-1] :]
    ends = [i for i, line in enumerate(block) if line.endswith("- Python process finished")]
    return "\n".join(block[: ends[0]] if ends else block).strip("\n")
