"""What vLLM's and optimum-cli's own parsers say of command lines, in vLLM's environment."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from inf2lab.serving import processes, vllm_python
from inf2lab.serving.inside_files import INSIDE
from inf2lab.serving.vllm import QUIET
from inf2lab.weights import worker_environment

OWN_FILES = ("TMPDIR", "VLLM_CACHE_ROOT", "VLLM_CONFIG_ROOT")


def objections(commands: Sequence[Sequence[str]], *, program: str = "vllm") -> list[str | None]:
    """Return for each command line what the program's own parser says against it, None for nothing.

    Of `vllm` the words after `vllm serve`, and its configuration too, for which the models must be here; of `optimum`
    the words after `optimum-cli`.
    """
    with tempfile.TemporaryDirectory(prefix=processes.SCRATCH_PREFIX) as scratch:
        done = subprocess.run(
            [str(vllm_python()), str(Path(__file__).with_name(f"parse_{program}.py"))],
            input=json.dumps([list(words) for words in commands]),
            env=os.environ
            | QUIET
            | worker_environment()
            | dict.fromkeys(OWN_FILES, scratch)
            | {"PYTHONPATH": str(INSIDE)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout, done.stderr
    found: list[str | None] = json.loads(done.stdout.splitlines()[-1])
    return found
