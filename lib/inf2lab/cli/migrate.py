"""The command that goes on: migrate."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inf2lab import paths
from inf2lab.cli.common import console, one_sentence, with_settings
from inf2lab.settings import Settings

if TYPE_CHECKING:
    from inf2lab.migrate import Compared, Migration

commands = typer.Typer()


@commands.command()
@with_settings("profile", "instance")
def migrate(
    folder: Annotated[Path, typer.Argument(help="The model folder.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="What starts it (a script, compose, Kubernetes, SageMaker), and requests: .sh, .json."),
    ] = None,
    to: Annotated[str, typer.Option(help="vllm-nxdi, optimum, vllm-neuron or lmi-vllm.")] = "vllm-nxdi",
    image: Annotated[str, typer.Option(help="A tag of its images, or HOST/NAME:TAG; left out: the safest.")] = "",
    on: Annotated[str, typer.Option(help="The new server's instance, such as trn2.48xlarge; else the old one's.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write all files into this new folder.")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Ask the old server and the real vLLM, and compare (`make migrate-env`).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Say what becomes of a folder on a successor of its stack. Exit code 1 if something in use has no successor.

    A model.py in use always is such a thing: code does not move by itself. With --compare also if both servers write
    something else, rounding aside.
    """
    from inf2lab import migrate

    with one_sentence():
        made = migrate(folder, to=to, image=image, on=on, files=files or (), settings=settings)
        written = made.write(out) if out else []
        compared = _compared(made) if compare else []
    if as_json:
        print(
            json.dumps(made.as_dict() | {"compared": [asdict(row) for row in compared]}, indent=2, ensure_ascii=False)
        )
    else:
        _show(made, written)
        for row in compared:
            console.print(f"{row.where} {row.prompt!r}: {row.verdict}")
    if not made.ok or not all(row.equal or row.is_rounding for row in compared):
        raise typer.Exit(1)


def _compared(made: Migration) -> list[Compared]:
    from inf2lab.migrate import compare

    return compare(made, report=lambda line: print(line, file=sys.stderr))


def _show(made: Migration, written: list[Path]) -> None:
    """Print every row by section, how the server is started, and how it ends."""
    from inf2lab.migrate import lines, verdict_line

    console.print(made.title)
    for name, rows in made.sections.items():
        if rows:
            console.print(f"\n{name}")
            console.print("\n".join(lines(rows)))
    console.print(f"\nstarted with\n{made.command}")
    for path in written:
        console.print(f"wrote {paths.shown(path)}")
    for one in made.nearest:
        console.print(f"nearest: {one}")
    console.print(verdict_line(made))
