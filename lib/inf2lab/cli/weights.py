"""Commands for models that speak for themselves: fetch, forget."""

from typing import Annotated

import typer

from inf2lab.cli.common import console, one_sentence

commands = typer.Typer()

Name = Annotated[str, typer.Argument(help="smollm2-135m, or a model's name on the hub.")]


@commands.command()
def fetch(name: Name, large: Annotated[bool, typer.Option("--large", help="Download more than 1 GB.")] = False) -> None:
    """Bring a model's own weights, which then speak for themselves in the rehearsal."""
    from inf2lab import weights

    with one_sentence():
        weights.fetch(name, large=large, report=console.print)


@commands.command()
def forget(name: Name) -> None:
    """Remove a model's own weights; a stand-in speaks again. Exit code 1 if there were none."""
    from inf2lab import weights

    with one_sentence():
        was_here = weights.forget(name)
        console.print(f"{weights.model_called(name)}: {'removed' if was_here else 'was not here'}")
    if not was_here:
        raise typer.Exit(1)
