"""What a worker's Python runs first: transformers' models are there without SymPy, and what is put off still works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LIB = Path(__file__).resolve().parents[3] / "lib"
WORKER = """
import sys
import torch
import transformers.models.opt.modeling_opt
from torch.utils.checkpoint import checkpoint

assert "sympy" not in sys.modules
x = torch.ones(2, requires_grad=True)
checkpoint(lambda t: t * 3, x, use_reentrant=False).sum().backward()
assert x.grad.tolist() == [3, 3] and "sympy" in sys.modules
from torch.utils.checkpoint import checkpoint_sequential
assert torch.utils.checkpoint.checkpoint_sequential is checkpoint_sequential
"""


def test_what_is_put_off_comes_when_it_is_used() -> None:
    path = os.pathsep.join(str(folder) for folder in (LIB / "rehearsal" / "neuron", LIB))
    done = subprocess.run([sys.executable, "-c", WORKER], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0
