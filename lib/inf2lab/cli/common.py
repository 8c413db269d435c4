"""What the commands share: the options of Settings, the console, and errors as one sentence."""

import errno
import functools
import inspect
import io
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from inspect import Parameter
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from inf2lab.errors import LabError, SettingsError
from inf2lab.settings import Settings


class _Console(Console):
    """Says that who read the output has gone, and leaves it to the command what it does then."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError: what bills must be undone first."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


# A command or an error is not to be folded, nor `model.py:100:` to become a picture.
console = _Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

DEFAULTS = Settings()
REFUSED = 2  # the exit code of what could not run
KEYWORD = Parameter.KEYWORD_ONLY
_ROOM, _OTHER = "make room there, or choose another place", "choose a place that this user may write or read"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: _OTHER,
    errno.EACCES: _OTHER,
    errno.EPERM: _OTHER,
    errno.ENAMETOOLONG: "use a shorter name",
    errno.EMFILE: "this process may open too few files: `ulimit -n 1024`",
}
_ENDS = (signal.SIGTERM, signal.SIGHUP)
Profile = Annotated[str, typer.Option(help="Release of the serving stack.", envvar="INF2LAB_PROFILE")]
Instance = Annotated[str, typer.Option(help="Instance, emulated in the rehearsal.", envvar="INF2LAB_INSTANCE")]
Port = Annotated[int, typer.Option(help="Port on 127.0.0.1.", envvar="INF2LAB_PORT")]
_HELP = {
    "lane": "rehearsal (this machine) or inf2 (an instance).",
    "copies": "Copies of the model, each on cores of its own.",
    "first_device": "Neuron device on which the copies begin.",
    "machine": "Of the rehearsal: a further instance, by any name.",
    "image": "Container image instead of the profile's.",
    "network": "Of the container: bridge or host.",
    "docker_options": "Further words for `docker run`.",
}
OPTIONS: dict[str, Any] = {"profile": Profile, "instance": Instance, "port": Port} | {
    name: Annotated[type(vars(DEFAULTS)[name]), typer.Option(help=said, envvar=f"INF2LAB_{name.upper()}")]
    for name, said in _HELP.items()
}


def with_settings(*names: str, **defaults: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command with a parameter `settings` the options of these fields, in the order of its `--help`.

    A name that is no field is a parameter of the command's own, and says where among them it stands. `defaults` are
    those in which the command differs from Settings.
    """
    fields = [name for name in names if name in OPTIONS]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters
        others = [name for name in own if name not in names]
        at = others.index("settings")
        options = [
            own.get(name)
            or Parameter(name, KEYWORD, default=(vars(DEFAULTS) | defaults)[name], annotation=OPTIONS[name])
            for name in (*others[:at], *names, *others[at + 1 :])
        ]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            with one_sentence():
                settings = Settings(**{name: given.pop(name) for name in fields})
            command(settings=settings, **given)

        parameters = [one.replace(kind=KEYWORD) for one in options]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        vars(run)["__signature__"] = inspect.Signature(parameters)
        return run

    return decorate


Variables = Annotated[
    list[str] | None,
    typer.Option("--env", help="A variable of the server's container, as NAME=VALUE; may be repeated."),
]


def with_variables(settings: Settings, variables: list[str] | None) -> Settings:
    """Return the settings whose container also has these variables; raises SettingsError for what is none."""
    for text in variables or ():
        if not re.match(r"[A-Za-z_]\w*(=|$)", text):
            raise SettingsError("env", text, "write NAME=VALUE, as in OPTION_DTYPE=fp16")
    words = shlex.join(word for text in variables or () for word in ("-e", text))
    return replace(settings, docker_options=f"{settings.docker_options} {words}".strip())


def read_numbers(name: str, text: str, rule: str) -> list[int]:
    """Return the numbers from 1 on that an option names, with commas between them; raises SettingsError."""
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,6}", word) and int(word) for word in words):
        raise SettingsError(name, text, rule)
    return [int(word) for word in words]


def show_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print rows below their headings, without a frame."""
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table, soft_wrap=False)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Print a LabError as one line on stderr and leave with code 2; so too what the system refuses."""
    try:
        yield
    except LabError as error:
        raise refuse(str(error)) from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # who read the output has gone: that is click's to end
            raise
        raise refuse(_of_system(error)) from error


@contextmanager
def whole_output() -> Iterator[None]:
    """Let every letter be printed whatever the terminal takes, and say so where the output cannot be written."""
    if not re.fullmatch("[1-9][0-9]{1,4}", os.environ.get("COLUMNS", "80")):
        del os.environ["COLUMNS"]  # in no columns nothing is shown
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with one_sentence():
            try:
                yield
            except SystemExit as ended:
                if ended.code != REFUSED:  # then the reason is told already
                    _flush()
                raise
            _flush()
    except typer.Exit as ended:
        _drop_output()
        sys.exit(ended.exit_code)
    except SystemExit:
        try:
            _flush()
        except OSError:
            _drop_output()
        raise


def _flush() -> None:
    if sys.stdout is not None:  # None: it was closed before
        sys.stdout.flush()


def _drop_output() -> None:
    """Let the interpreter not try again at its end what could not be written."""
    with suppress(OSError, ValueError, AttributeError):
        output = sys.stdout.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)


def refuse(said: str) -> typer.Exit:
    """Print one line on stderr and return what leaves with code 2; a long word, such as a value, is cut."""
    short = re.sub(r"\S{300,}", lambda found: f"{found[0][:100]}...{found[0][-40:]}", " ".join(said.splitlines()))
    print(f"inf2lab: {short}", file=sys.stderr)
    return typer.Exit(REFUSED)


def _of_system(error: OSError) -> str:
    """Return what the system refused: where, why, and what to do."""
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or error}; {_REMEDIES.get(error.errno or 0, 'look at this file or folder')}"


@contextmanager
def ending_tidily() -> Iterator[None]:
    """Let SIGTERM, and a terminal that is closed, take down what was started as Ctrl-C does.

    The first one does it: a second must not end the taking down. One that is ignored, as under `nohup`, stays so.
    """

    def end(got: int, _: object) -> NoReturn:
        for number in ours:
            signal.signal(number, lambda *_: None)
        sys.exit(128 + got)

    is_main = threading.current_thread() is threading.main_thread()  # no other may take signals
    ours = [number for number in _ENDS if is_main and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
