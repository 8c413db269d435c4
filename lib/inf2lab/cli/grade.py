"""The command for exercises: what a reader has passed, or a class, seat by seat."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inf2lab import paths
from inf2lab.cli.common import one_sentence, show_table

if TYPE_CHECKING:
    from inf2lab.grading import Seat

commands = typer.Typer()


@commands.command()
def grade(
    path: Annotated[
        Path | None,
        typer.Argument(help="A notebook, a reader's folder, or a folder of such folders; else this clone's."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="That one exercise may take; 20 unless given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say which exercises are passed, and a hint for each that is not. Exit code 1 unless all are.

    Answers run in processes of their own: bounded, without server or network, and no file of a reader is changed.
    """
    from inf2lab.grading import PASSED, SECONDS
    from inf2lab.grading import grade as graded

    with one_sentence():
        seats = graded(path or paths.root(), seconds=SECONDS if seconds is None else seconds)
    if as_json:
        print(json.dumps({"seats": [seat.as_dict() for seat in seats]}, indent=2, ensure_ascii=False))
    elif len(seats) == 1:
        _show_seat(seats[0])
    else:
        _show_class(seats)
    if not all(result.state == PASSED for seat in seats for result in seat.results):
        raise typer.Exit(1)


def _show_seat(seat: "Seat") -> None:
    rows = []
    for result in seat.results:
        points = f"{result.right} of {result.of}" if result.of else ""
        rows.append((result.exercise, result.state, points, result.hint))
    show_table(("exercise", "", "points", "hint"), rows)
    print(f"passed: {seat.passed} of {len(seat.results)}")


def _show_class(seats: "list[Seat]") -> None:
    """Print a line a seat and a column an exercise, then what was missed most often."""
    from inf2lab.grading import NOT_BEGUN, NOT_PASSED, PASSED

    signs = {PASSED: "+", NOT_PASSED: "x", NOT_BEGUN: "."}
    columns = [result.exercise for result in seats[0].results]
    heads = [name.partition("_")[0] for name in columns]
    rows = [[seat.name, *(signs[result.state] for result in seat.results), str(seat.passed)] for seat in seats]
    sums = [str(sum(seat.results[at].state == PASSED for seat in seats)) for at in range(len(columns))]
    show_table(("seat", *heads, "passed"), [*rows, ["passed", *sums, ""]])
    print(", ".join(f"{sign} {state}" for state, sign in signs.items()))
    missed = Counter((result.exercise, result.hint) for seat in seats for result in seat.results if result.hint)
    for (exercise, hint), times in missed.most_common(3):
        print(f"{times} x {exercise}: {hint}")
