"""What the commands share: the options of Settings, the console, and errors as one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from inf2lab.errors import LabError
from inf2lab.settings import Settings

console = Console(highlight=False, markup=False, soft_wrap=True)  # a command or an error is not to be folded

DEFAULTS = Settings()
Lane = Annotated[str, typer.Option(help="rehearsal (this machine) or inf2 (an instance).", envvar="INF2LAB_LANE")]
Profile = Annotated[str, typer.Option(help="Generation of the serving stack.", envvar="INF2LAB_PROFILE")]
Instance = Annotated[str, typer.Option(help="Instance, emulated in the rehearsal.", envvar="INF2LAB_INSTANCE")]
Port = Annotated[int, typer.Option(help="Port on 127.0.0.1.", envvar="INF2LAB_PORT")]
Image = Annotated[str, typer.Option(help="Container image instead of the profile's.", envvar="INF2LAB_IMAGE")]
Network = Annotated[str, typer.Option(help="Of the container: bridge or host.", envvar="INF2LAB_NETWORK")]
DockerOptions = Annotated[str, typer.Option(help="Further words for `docker run`.", envvar="INF2LAB_DOCKER_OPTIONS")]


@contextmanager
def one_sentence() -> Iterator[None]:
    """Print a LabError as one line on stderr and leave with code 2."""
    try:
        yield
    except LabError as error:
        print(f"inf2lab: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
