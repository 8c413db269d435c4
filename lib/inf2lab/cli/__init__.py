"""The `inf2lab` command: each module here parses, calls one library function and prints.

Exit codes: 0 done, 1 found something that needs mending, 2 could not run.
"""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from inf2lab.cli import cloud, drills, grade, load, migrate, prepare, proof, scale, serving, weights
from inf2lab.cli.common import ending_tidily, refuse, whole_output

# What is imported, and the extra that brings it; what is not here comes with `pip install inf2lab`.
_BROUGHT_BY = {
    "rehearsal": "aiohttp huggingface_hub jgo psutil requests tokenizers torch transformers urllib3",
    "aws": "boto3 botocore jmespath",
    "scale": "yaml",
    "notebooks": "ipywidgets matplotlib",
}
_LESS, _NONE = "give less of it at once", "look at the values and the files of this command"
# What no module has foreseen, and what it means to whoever typed the command.
FAILS = {
    MemoryError: ("what was given is larger than this machine's memory", _LESS),
    RecursionError: ("what was given is nested deeper than anything can read", _LESS),
    ArithmeticError: ("what was given cannot be computed with", _NONE),
    ValueError: ("what was given cannot be read", _NONE),
}
EXTRAS = {name: extra for extra, names in _BROUGHT_BY.items() for name in names.split()}


class Commands(TyperGroup):
    """The commands; one whose packages are not installed says in one sentence how to get them."""

    def main(self, *args: Any, **more: Any) -> Any:
        """Run a command line; what is beyond this process is one sentence and exit code 2, whoever meets it."""
        with whole_output(), ending_tidily():
            try:
                return super().main(*args, **more)
            except tuple(FAILS) as error:
                if sys.flags.dev_mode:  # `python -X dev` shows whose fault it is
                    raise
                what, remedy = next(words for kind, words in FAILS.items() if isinstance(error, kind))
                raise refuse(f"{what} ({type(error).__name__}: {error}): {remedy}") from error

    def invoke(self, ctx: Any) -> Any:
        """Run the command of the context; exit code 2 where it lacks an extra."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            if (group := ctx.invoked_subcommand) in ("scale", "migrate") and extra == "rehearsal":
                extra = "scale"  # which has what the two share
            said = f"`{group}` needs {error.name}, which an extra brings: pip install 'inf2lab[{extra}]'"
            raise refuse(said) from error


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Serve a model folder on Inferentia2, or rehearse it here.",
)
# In the order of a walk-through, which `inf2lab --help` shows.
for group in (prepare, serving, load, weights, drills, cloud, proof, scale, migrate, grade):
    app.add_typer(group.commands)
