"""What a worker's Python runs first: what is put off is not there after the imports, and works when it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import warm_worker
from inf2lab.weights import standins

LIB = Path(__file__).resolve().parents[3] / "lib"
KERNELS = LIB / "rehearsal" / "neuron" / "meta_kernels.txt"
WORKER = """
import sys
import torch
import transformers.models.opt.modeling_opt
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM

put_off = {"sympy", "botocore", "torch.ao.quantization", "torch._decomp", "torch._prims", "torch._refs"}
assert not put_off & set(sys.modules)
empty = torch.empty(2, 3, device="meta")
empty.fill_(1).zero_()
assert "torch._decomp" not in sys.modules
assert torch.nn.functional.layer_norm(empty, (3,)).shape == (2, 3) and "torch._decomp" in sys.modules
assert torch._meta_registrations is sys.modules["torch._meta_registrations"]
assert torch._decomp is sys.modules["torch._decomp"]
try:
    torch._meta_registrations.no_such_name
except AttributeError as error:
    assert "no_such_name" in str(error)

x = torch.ones(2, requires_grad=True)
checkpoint(lambda t: t * 3, x, use_reentrant=False).sum().backward()
assert x.grad.tolist() == [3, 3] and "sympy" in sys.modules
from torch.utils.checkpoint import checkpoint_sequential
assert torch.utils.checkpoint.checkpoint_sequential is checkpoint_sequential

import boto3
import torch.export
assert callable(boto3.client) and boto3.session.Session is not None and "Session" in dir(boto3)
assert torch.distributions.Normal(0, 1).mean == 0 and torch.quantization.QuantStub and torch.export.export
assert not any(type(module).__name__ == "_Later" for module in sys.modules.values())
"""
# One of the names that come with the registrations, asked for first.
FIRST = """
import sys
import torch
assert "torch._refs" not in sys.modules
{ask}
assert torch._refs is sys.modules["torch._refs"] and torch._refs.__spec__.loader.path == torch._refs.__file__
assert torch._meta_registrations.__spec__.loader.name == "torch._meta_registrations"
"""
# Every operation whose entry for tensors without numbers is another one after the registrations.
LISTED = """
import sys
import sitecustomize
import torch

names = torch._C._dispatch_get_all_op_names()
def entry(name):
    return [line for line in torch._C._dispatch_dump(name).splitlines() if line.startswith("Meta")]
before = {name: entry(name) for name in names}
sitecustomize._run(torch._meta_registrations)
print(*(name for name in names if entry(name) != before[name]))
"""
UNKNOWN = """
import sys
from pathlib import Path
import sitecustomize
sitecustomize._KERNELS = Path(sys.argv[1])
import torch
assert "torch._decomp" in sys.modules and type(torch._meta_registrations) is type(sys)
"""
SAME = {"aten::fill_.Scalar", "aten::zero_"}  # in C++ as in Python they do nothing, and loading a model asks them


def run(code: str, *words: str, python: str = sys.executable) -> str:
    path = os.pathsep.join(str(folder) for folder in (LIB / "rehearsal" / "neuron", LIB))
    environment = {**os.environ, **standins.worker_environment(), "PYTHONPATH": path}
    done = subprocess.run([python, "-c", code, *words], env=environment, check=False, stdout=subprocess.PIPE)
    assert done.returncode == 0
    return done.stdout.decode()


def test_what_is_put_off_does_not_come_with_the_models() -> None:
    run(WORKER.partition("empty =")[0], python=warm_worker.python())


@pytest.mark.thorough
def test_what_is_put_off_comes_when_it_is_used() -> None:
    run(WORKER, python=warm_worker.python())


def test_the_operations_are_those_of_the_installed_release() -> None:
    assert KERNELS.read_text().split()[0] == torch.__version__.partition("+")[0]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "ask",
    [
        "import torch._refs.nn.functional",
        "torch._refs.add",
        "from torch import _refs; _refs.add",
        "import torch.utils._content_store",
        "import torch._prims_common.wrappers",
        "import torch.export.unflatten, torch.ao.quantization, boto3.session, torch._refs",
        "import torch._dynamo",
    ],
)
def test_each_way_to_ask_runs_what_must_come_first(ask: str) -> None:
    run(FIRST.format(ask=ask), python=warm_worker.python())


@pytest.mark.thorough
def test_the_operations_are_all_that_the_registrations_change() -> None:
    found = set(run(LISTED).split())
    assert found - SAME == set(KERNELS.read_text().split()[1:])


@pytest.mark.thorough
def test_another_release_imports_all_at_once(tmp_path: Path) -> None:
    other = tmp_path / "kernels.txt"
    other.write_text("0.0 aten::add.Tensor")
    run(UNKNOWN, str(other))
