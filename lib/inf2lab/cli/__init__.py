"""The `inf2lab` command: each module here parses, calls one library function and prints.

Exit codes: 0 done, 1 found something that needs mending, 2 could not run.
"""

from __future__ import annotations

import typer

from inf2lab.cli import cloud, drills, load, prepare, scale, serving, weights

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Serve a model folder on Inferentia2, or rehearse it here.",
)
for group in (
    prepare,
    serving,
    load,
    weights,
    drills,
    cloud,
    scale,
):  # in the order of a walk-through, which `inf2lab --help` shows
    app.add_typer(group.commands)
