"""The command line of the rehearsal server."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rehearsal.server.config import Flags, load_config
from rehearsal.server.environment import process_environment
from rehearsal.server.errors import SetupError
from rehearsal.server.server import EXIT_FAILED, EXIT_SETUP, serve
from rehearsal.server.switches import Switch
from rehearsal.server.workers.package import DEFAULT_VERSION


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SetupError(f"{message}; --help shows the flags", java="")


def parser() -> argparse.ArgumentParser:
    """The flags; -s, -m and -f are DJLServing's own."""
    made = _Parser(
        prog="python -m rehearsal.server",
        description="DJLServing's HTTP contract in front of DJL's own Python worker, for a machine without the chip.",
        epilog="Exit codes: 143 and 130 after SIGTERM and SIGINT; 1 when a model does not load or the port is taken "
        "(--strict on: 0 for a model, as the original); 2 for a setting that cannot be used (--strict on: 1).",
    )
    add = made.add_argument
    add("-s", "--model-store", type=Path, metavar="DIR", help="folder whose sub-folders are models; all are loaded")
    named = "models to load, instead of all in the store"
    add("-m", "--models", nargs="+", action="extend", metavar="NAME=URL", help=named)
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
    words = list(sys.argv[1:] if argv is None else argv)
    strict = re.search(r"(?:^|\n)--strict[\n=]on(?:\n|$)", "\n".join(words))
    original = frozenset(Switch) if strict else frozenset()
    try:
        return serve(load_config(_flags(words, original), process_environment()))
    except SetupError as error:
        if Switch.SETUP_ERROR_EXITS_1 in original:
            print(f"ERROR ModelServer Invalid configuration: {error.java}" if error.java else parser().format_help())
            return EXIT_FAILED
        print(f"rehearsal.server: {error}", file=sys.stderr)
        return EXIT_SETUP


def _flags(words: Sequence[str], original: frozenset[Switch]) -> Flags:
    """The command line. Raises SetupError for one that cannot be used."""
    args, surplus = parser().parse_known_args(words)
    if args.neuron_cores < 0 or (args.worker_limit is not None and args.worker_limit < 1):
        raise SetupError("--neuron-cores must be 0 or more and --worker-limit 1 or more")
    refused = [word for word in surplus if word[:1] == "-" or Switch.SETUP_ERROR_EXITS_1 not in original]
    if refused:
        raise SetupError(f"{' '.join(refused)}: no flag of this server; --help shows them", java="")
    return Flags(
        model_store=args.model_store,
        host=args.host,
        port=args.port,
        models=tuple(args.models or ()) or None,
        config_file=args.config_file,
        log_dir=args.log_dir,
        djl_version=args.djl_version,
        original=original,
        neuron_cores=args.neuron_cores,
        worker_limit=args.worker_limit,
        allow_any_url=args.allow_any_url,
    )
