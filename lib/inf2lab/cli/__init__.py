"""The `inf2lab` command: each module here parses, calls one library function and prints.

Exit codes: 0 done, 1 found something that needs mending, 2 could not run.
"""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from inf2lab.cli import cloud, drills, load, migrate, prepare, proof, scale, serving, weights

# What is imported, and the extra that brings it; what is not here comes with `pip install inf2lab`.
_BROUGHT_BY = {
    "rehearsal": "aiohttp httptools huggingface_hub jgo psutil requests tokenizers torch transformers urllib3",
    "aws": "boto3 botocore jmespath",
    "scale": "yaml",
    "notebooks": "ipywidgets matplotlib",
}
EXTRAS = {name: extra for extra, names in _BROUGHT_BY.items() for name in names.split()}


class Commands(TyperGroup):
    """The commands; one whose packages are not installed says in one sentence how to get them."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command of the context; exit code 2 where it lacks an extra."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            if (group := ctx.invoked_subcommand) == "scale" and extra == "rehearsal":
                extra = "scale"  # which has what the two share
            said = f"`{group}` needs {error.name}, which an extra brings: pip install 'inf2lab[{extra}]'"
            print(f"inf2lab: {said}", file=sys.stderr)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Serve a model folder on Inferentia2, or rehearse it here.",
)
# In the order of a walk-through, which `inf2lab --help` shows.
for group in (prepare, serving, load, weights, drills, cloud, proof, scale, migrate):
    app.add_typer(group.commands)
