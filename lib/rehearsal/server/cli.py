"""The command line of the rehearsal server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rehearsal.server.config import Flags, load_config
from rehearsal.server.environment import process_environment
from rehearsal.server.errors import SetupError
from rehearsal.server.server import EXIT_SETUP, serve
from rehearsal.server.switches import Switch
from rehearsal.server.workers.package import DEFAULT_VERSION


def parser() -> argparse.ArgumentParser:
    """The flags; -s, -m and -f are DJLServing's own."""
    made = argparse.ArgumentParser(
        prog="python -m rehearsal.server",
        description="DJLServing's HTTP contract in front of DJL's own Python worker, for a machine without the chip.",
        epilog="Exit codes: 143 and 130 after SIGTERM and SIGINT; 1 when a model does not load or the port is taken "
        "(--strict on: 0 for a model, as the original); 2 for a setting that cannot be used.",
    )
    add = made.add_argument
    add("-s", "--model-store", type=Path, metavar="DIR", help="folder whose sub-folders are models; all are loaded")
    add("-m", "--models", nargs="+", metavar="NAME=URL", help="models to load, instead of all in the store")
    add("-f", "--config-file", type=Path, metavar="FILE", help="config.properties")
    add("--host", metavar="HOST", help="address to listen on (default 127.0.0.1)")
    add("--port", type=int, metavar="N", help="port to listen on (default 8080; 0 takes a free one)")
    add("--neuron-cores", type=int, default=0, metavar="N", help="emulate an instance with N NeuronCores (default 0)")
    add("--worker-limit", type=int, metavar="K", help="start at most K of the workers an instance would start")
    add("--djl-version", default=DEFAULT_VERSION, metavar="V", help="version of DJL's worker (default %(default)s)")
    add("--log-dir", type=Path, metavar="DIR", help="also write serving.log, access.log and the metric logs there")
    add("--strict", choices=("on", "off"), default="off", help="on: also what hurts a learner, as the original does it")
    add("--allow-any-url", action="store_true", help="let POST /models load a folder outside the model store")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the server; returns the exit code."""
    args = parser().parse_args(argv)
    if args.neuron_cores < 0 or (args.worker_limit is not None and args.worker_limit < 1):
        print("--neuron-cores must be 0 or more and --worker-limit 1 or more", file=sys.stderr)
        return EXIT_SETUP
    flags = Flags(
        model_store=args.model_store,
        host=args.host,
        port=args.port,
        models=tuple(args.models or ()) or None,
        config_file=args.config_file,
        log_dir=args.log_dir,
        djl_version=args.djl_version,
        original=frozenset(Switch) if args.strict == "on" else frozenset(),
        neuron_cores=args.neuron_cores,
        worker_limit=args.worker_limit,
        allow_any_url=args.allow_any_url,
    )
    try:
        return serve(load_config(flags, process_environment()))
    except SetupError as error:
        print(f"rehearsal.server: {error}", file=sys.stderr)
        return EXIT_SETUP
