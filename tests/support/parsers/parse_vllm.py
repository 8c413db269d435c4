"""What vLLM's own parser says of command lines: run by vLLM's Python, a JSON list of lists of words on standard input.

Prints a JSON list: null for what it takes, else its words. The words are those after `vllm serve`.
"""

import contextlib
import io
import json
import os
import sys

os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"

from pydantic import ValidationError
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.openai.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser


def objection(words: list[str]) -> str | None:
    """What the parser, or the engine's configuration, says against it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            arguments = make_arg_parser(FlexibleArgumentParser()).parse_args(words)
            arguments.model = arguments.model_tag or arguments.model
            validate_parsed_serve_args(arguments)
            AsyncEngineArgs.from_cli_args(arguments).create_engine_config()
    except SystemExit:
        return said.getvalue().strip().splitlines()[-1].partition("error: ")[2] or said.getvalue().strip()
    except ValidationError as error:
        return "; ".join(each["msg"] for each in error.errors())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    answers = [objection(words) for words in json.load(sys.stdin)]
    print(json.dumps(answers), flush=True)
