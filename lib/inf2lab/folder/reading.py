"""How a handler takes the checkpoint through the host's memory: in which format, and how often it holds it whole."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from inf2lab import catalog
from inf2lab.folder.stated import Stated
from neuron_rules import dtype_bytes

WHOLE = "ForCausalLM"  # ends the names of Hugging Face's classes, which hold the whole model
TYPES = {"float32": "f32", "float": "f32", "float16": "f16", "half": "f16", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Reading:
    """What is held of a checkpoint while it is read: so many whole copies in `dtype`, 0 for layer by layer.

    `lighter` is what it would be with the change that `remedy` names; None where the handler has no such change.
    """

    dtype: str
    copies: int
    text: str
    remedy: str = ""
    lighter: Reading | None = None


def reading_of(stated: Stated, tree: ast.Module | None) -> Reading:
    """Return how a folder's handler reads: `tree` is its own code, None where the built-in one serves."""
    if tree is not None:
        return of_code(tree, stated.amp or "f16")
    if stated.text("load_split_model") == "true":
        return of_split()
    sparing = stated.text("low_cpu_mem_usage") == "true"
    return of_built_in(1 if sparing else catalog.loading_facts().copies_in(stated.release))


def as_notebook_04(dtype: str) -> Reading:
    """Return the reading of the handler that notebook 04 writes: one copy, in the format of the cores."""
    return Reading(dtype, 1, f"read in {dtype}")


def of_built_in(copies: int) -> Reading:
    """Return the reading of a release's own handler: it names no format, and Hugging Face then takes f32."""
    if copies > 1:
        text = "the built-in handler holds it twice in f32"
        return Reading("f32", copies, text, "option.low_cpu_mem_usage=true", of_built_in(1))
    return Reading("f32", 1, "the built-in handler holds it in f32")


def of_split() -> Reading:
    """Return the reading of a checkpoint that was split before: a layer at a time."""
    return Reading("f32", 0, "read layer by layer")


def of_code(tree: ast.Module, dtype: str) -> Reading:
    """Return the reading of a model.py whose numbers have `dtype` on the cores."""
    formats = [_format(call, dtype) for call in _whole(tree)]
    if not formats:
        return of_split()
    if None in formats:
        text = "read in f32, as model.py names no torch_dtype"
        return Reading("f32", 1, text, 'torch_dtype="auto" in from_pretrained', as_notebook_04(dtype))
    widest = max(formats, key=lambda name: dtype_bytes(str(name)))
    return Reading(str(widest), 1, f"read in {widest}")


def _whole(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls that give a whole model: AutoModelForCausalLM.from_pretrained(...)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained":
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            if name.endswith(WHOLE) and not name.startswith("Neuron"):
                yield node


def _format(call: ast.Call, dtype: str) -> str | None:
    """The format that a call names, None if it names none; what is computed is the format of the cores."""
    value = next((word.value for word in call.keywords if word.arg == "torch_dtype"), None)
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return None
    if isinstance(value, ast.Constant) and value.value == "auto":
        return "f16"  # as the hub's files are
    name = value.attr if isinstance(value, ast.Attribute) else value.value if isinstance(value, ast.Constant) else ""
    return TYPES.get(str(name), dtype)
