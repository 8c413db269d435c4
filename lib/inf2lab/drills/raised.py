"""Who raised what no rule knows: read from a traceback's paths, Java's packages, and the runtime's own lines."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_FRAME = re.compile(
    r'^\s+File "(?P<path>[^"]+)", line (?P<number>\d+)|^(?:File |[│|] )(?P<shown>[~/]\S+\.py):(?P<at>\d+)'
)
_PYTHON = re.compile(
    r"^(?P<name>(?:[A-Za-z_]\w*\.)*[A-Z]\w*"
    r"(?:Error|Exception|Interrupt|Exit|Iteration|Failure|Timeout|Refused|Exceeded))(?:: |:?$)"
)
_JAVA = re.compile(
    r"^(?:Caused by: |Exception in thread \S+ )?"
    r"(?:java|javax|jdk|sun|ai|io|org|com|net|software)\.(?:[a-z]\w*\.)+[A-Z][\w$]*(?:Exception|Error)\b"
)
_RUNTIME = re.compile(r"ERROR\s+(?:NRT|TDRV|NMGR|HAL|NEFF|KELF|ENC|CCOM):\w+")
# How a program that is no Python ends: what it begins with, and who it is.
_TOOLS = (
    (re.compile(r"Error from server|error: "), "kubectl, or the cluster's API server"),
    (re.compile(r"(?:docker: )?Error response from daemon"), "the Docker engine"),
    (re.compile(r"An error occurred \(\w+\) when calling the \w+ operation"), "AWS"),
    (re.compile(r"terminate called after throwing|Fatal Python error|F\d{4} [\d:.]+"), "native code under Python"),
    (re.compile(r"panic: |Error: |fatal: |FATAL"), "the program that printed it"),
)
_ARGUMENTS = re.compile(r"Arguments: \([A-Z]\w+\(")  # how DJL's 0.25 worker repeats a handler's exception
_LIBRARY = re.compile(r"/(?:site|dist)-packages/(?P<name>[^/]+)")
_STANDARD = re.compile(r"/lib(?:64)?/python3(?:\.\d+)?/(?!site-packages|dist-packages)|^<frozen ")
# What follows another exception and says nothing of it: DJL's malformed call to logging, and a worker that was ended.
_ECHOES = (
    "TypeError: not all arguments converted during string formatting",
    "ValueError: Connection disconnected",
    "KeyboardInterrupt",
)
_WRAPPERS = re.compile(
    r"(?:Caused by: )?(?:ai\.djl\.|java\.util\.concurrent\.(?:Completion|Execution)Exc|java\.lang\.IllegalThreadState)"
)
_WHOLE_LOG = (
    "Give the whole log: the traceback above this line names the file. Look its words up with the image's release."
)


@dataclass(frozen=True)
class Raised:
    """An exception (or a line of the runtime) in a log: its line, who raised it, and where to look."""

    number: int
    line: str
    who: str
    look: str


def last_raised(lines: Iterable[tuple[int, str]]) -> Raised | None:
    """Return what tells most: Python's last exception, else the runtime's first line, else Java's innermost one.

    What Java and DJL wrap around a Python exception is no news. None if nothing was raised.
    """
    python: Raised | None = None
    runtime: Raised | None = None
    tool: Raised | None = None
    repeated: Raised | None = None
    java: Raised | None = None
    frames: list[tuple[str, str]] = []
    for number, line in lines:
        if frame := _FRAME.match(line):
            frames.append((frame["path"] or frame["shown"], frame["number"] or frame["at"]))
        elif line.startswith("Traceback (most recent call last)"):
            frames = []
        elif _JAVA.match(line):
            java = _of_java(number, line, java)
        elif match := _PYTHON.match(line):
            python = python if line.startswith(_ECHOES) else _of_python(number, line, match["name"], frames)
            frames = []
        elif _ARGUMENTS.match(line):
            repeated = Raised(number, line, "your handler, or a library under it", _WHOLE_LOG)
        elif _RUNTIME.search(line):
            runtime = runtime or _of_runtime(number, line)
        elif who := next((who for begins, who in _TOOLS if begins.match(line)), ""):
            tool = tool or Raised(
                number, line, who, "Look these words up with that program's release; the lines around say more."
            )
    return python or runtime or repeated or java or tool


def _of_python(number: int, line: str, name: str, frames: Sequence[tuple[str, str]]) -> Raised:
    others = [frame for frame in frames if not _STANDARD.search(frame[0])]
    if not others:
        return _without_frames(number, line, name)
    deepest = others[-1]
    own = [frame for frame in others if not _LIBRARY.search(frame[0]) and "djl_python" not in frame[0]]
    called = f"It was called by your {_place(own[-1])}. " if own else ""
    library = _LIBRARY.search(deepest[0])
    if "djl_python" in deepest[0]:
        look = f"{called}Read {_place(deepest)} in djl-serving at the image's release."
        return Raised(number, line, "DJLServing's own Python code (djl_python)", look)
    if library:
        package = library["name"].removesuffix(".py")
        look = f"{called}Look these words up with the version of {package} that the image has (`pip show {package}`)."
        return Raised(number, line, f"the library {package} ({_place(deepest)})", look)
    return Raised(number, line, f"your handler ({_place(deepest)})", "Read that line of your own code.")


def _without_frames(number: int, line: str, name: str) -> Raised:
    if re.search(r"\bnrt_\w+|\bNRT\b|NEURON_", line):
        return _of_runtime(number, line)
    package = name.split(".")[0] if "." in name else ""
    who = f"the library {package}" if package else "Python; no traceback here says whose code it was"
    return Raised(number, line, who, _WHOLE_LOG)


def _of_runtime(number: int, line: str) -> Raised:
    look = "Look call and status up in the Neuron SDK (nrt-troubleshoot, nrt_status.h), and read the lines around."
    return Raised(number, line, "the Neuron runtime", look)


def _of_java(number: int, line: str, before: Raised | None) -> Raised | None:
    """Return the innermost exception: each `Caused by` is deeper, and a wrapper never replaces what it wraps."""
    if before and _WRAPPERS.match(line):
        return before
    inner = re.split(r"Exception: ", line)[-1]
    who = "the server (DJLServing)" if "ai.djl" in line else "Java, under the server (DJLServing)"
    look = f"The lines that begin with `at ai.djl` name the step. Look `{inner[:80]}` up in djl-serving's issues."
    return Raised(number, line, who, look)


def _place(frame: tuple[str, str]) -> str:
    library = _LIBRARY.search(frame[0])
    path = frame[0][library.start("name") :] if library else frame[0].rpartition("/")[2]
    return f"{path}, line {frame[1]}"
