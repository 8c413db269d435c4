"""Commands around a running server: serve, status, logs, stop, call."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from inf2lab import paths
from inf2lab.cli.common import DEFAULTS, Port, Variables, console, one_sentence, with_settings, with_variables
from inf2lab.settings import Settings

commands = typer.Typer()


@commands.command()
@with_settings(
    *("lane", "profile", "instance", "port", "server", "copies", "first_device", "machine"),
    *("image", "network", "docker_options"),
)
def serve(
    folder: Annotated[
        Path,
        typer.Argument(help="Model folder with serving.properties and perhaps model.py, or one that `migrate` wrote."),
    ],
    settings: Settings,
    server: Annotated[
        str, typer.Option(help="rehearsal, or djl: a real DJLServing on this machine (DJL_SERVING_HOME).")
    ] = "rehearsal",
    wait: Annotated[bool, typer.Option(help="Wait until the model answers.")] = True,
    env: Variables = None,
) -> None:
    """Serve a model folder; the folder's own files say what and how."""
    from inf2lab.serving import Server

    with one_sentence():
        try:
            Server.start(with_variables(settings, env), folder, wait=wait, report=console.print, server=server)
        except KeyboardInterrupt:
            console.print("what was started goes on: `inf2lab status` shows it, `inf2lab stop` ends it")
            raise


@commands.command()
def status() -> None:
    """Show every server this clone has started. Exit code 1 if one of them failed."""
    from inf2lab.serving import State, all_servers

    with one_sentence():
        found = [(server, server.status()) for server in all_servers()]
    if not found:
        console.print("no server was started here")
    for server, now in found:
        workers = ", ".join(f"{worker.device} {worker.status}" for worker in now.workers)
        console.print(f"{server.name} at {server.url}: {now.state}{f' ({workers})' if workers else ''}")
        console.print(f"  {now.detail}\n  log: {paths.shown(server.log_path)}")
    if any(now.state == State.FAILED for _, now in found):
        raise typer.Exit(1)


@commands.command()
def logs(
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many of the last lines.")] = 40,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with new lines until the server stops, or Ctrl-C.")
    ] = False,
    port: Port = DEFAULTS.port,
) -> None:
    """Print the end of a server's log."""
    from inf2lab.serving import Server, on_record

    with one_sentence():
        server = on_record(port) or Server.of(Settings(port=port))
        text = server.logs(lines)
    if not text and not (follow and server.exists()):
        print(f"inf2lab: no log for port {port}: no server was started on it", file=sys.stderr)
        raise typer.Exit(1)
    if not follow:
        print("\n".join(text))
        return
    with one_sentence(), contextlib.suppress(KeyboardInterrupt):
        for line in server.follow(lines):
            print(line, flush=True)


@commands.command()
def stop() -> None:
    """Stop every server this clone has started, and whatever a killed one left behind."""
    from inf2lab.serving import left_over, stop_everything

    with one_sentence():
        ended = stop_everything()
    left = left_over()
    console.print(f"{ended} stopped, {len(left)} left")
    for line in left:
        console.print(f"  {line}")
    if left:
        raise typer.Exit(1)


@commands.command()
def call(
    prompts: Annotated[list[str], typer.Argument(help="One prompt for each row of the compiled batch.")],
    seq_length: Annotated[int, typer.Option(help="Tokens of prompt and answer together.")] = 128,
    model: Annotated[
        str, typer.Option(help="Model name in the URL; left out: the one that was started on the port.")
    ] = "",
    port: Port = DEFAULTS.port,
    as_json: Annotated[bool, typer.Option("--json", help="Print the texts as a JSON list.")] = False,
) -> None:
    """Ask a running model for one text a prompt, in the words of its handler."""
    from inf2lab.endpoint import Endpoint
    from inf2lab.serving import on_record
    from inf2lab.shapes import built_in_body

    with one_sentence():
        server = None if model else on_record(port)
        endpoint = server.endpoint if server else Endpoint(f"http://127.0.0.1:{port}", model or DEFAULTS.model_name)
        if server and server.shape != "article":
            texts = [row["generated_text"] for row in endpoint.send(built_in_body(prompts, seq_length)).json()]
        else:
            texts = endpoint.generate(prompts, seq_length)
    if as_json:
        print(json.dumps(texts, ensure_ascii=False))
        return
    for number, text in enumerate(texts, 1):
        print(f"[{number}] {text}")
