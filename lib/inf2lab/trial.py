"""A handler tried without a chip: what it hands to the library for some prompts, or the error that a client gets."""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PAD, BEGIN, FIRST_WORD = 1, 2, 101  # OPT's ids of padding and of what begins a text; words are numbered as they come


@dataclass(frozen=True)
class Trial:
    """The rows of token ids and the `start_ids` that `sample` was given; `error` where the handler raised one."""

    rows: Sequence[Sequence[int]] = ()
    start_ids: Sequence[int] | None = None
    error: str = ""

    @property
    def asked(self) -> bool:
        """Whether the library was asked at all."""
        return bool(self.rows)


def try_handler(path: Path, text: object, *, batch_size: int) -> Trial:
    """Call `handle` of a model.py with a request's `text`: a model that only writes down, one token a word.

    The file's own code runs, without the packages of the image.
    """
    model = _Model()
    names: dict[str, Any] = {"Input": Request, "Output": Answer}
    exec(compile(ast.Module(list(_own_code(path)), []), str(path), "exec"), names)
    names |= {"model": model, "tokenizer": _Words(), "batch_size": batch_size, "torch": _TORCH}
    try:
        names["handle"](Request({"seq_length": 64, "text": text}))
    except Exception as error:  # whatever a handler raises becomes the client's answer
        return Trial(model.rows, model.start_ids, f"{type(error).__name__}: {error}")
    return Trial(model.rows, model.start_ids)


def _own_code(path: Path) -> Iterator[ast.stmt]:
    """The file's statements but for imports from outside Python."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        else:
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if all(module.split(".")[0] in sys.stdlib_module_names for module in modules):
            yield node


class Request:
    """A request as DJL's worker gives it; one without a body is the call before the port opens."""

    def __init__(self, body: Mapping[str, Any] | None) -> None:
        self.body = body

    def is_empty(self) -> bool:
        """Return whether it is the first call."""
        return self.body is None

    def get_as_json(self) -> Mapping[str, Any] | None:
        """Return the body."""
        return self.body

    def get_properties(self) -> dict[str, str]:
        """Return no options."""
        return {}


class Answer:
    """An answer as DJL's worker takes it."""

    def __init__(self) -> None:
        self.value: Any = None

    def add_as_json(self, value: Any) -> "Answer":
        """Keep the value."""
        self.value = value
        return self


class _Model:
    """Writes down what it is given, and adds a word to each row."""

    rows: Sequence[Sequence[int]] = ()
    start_ids: Sequence[int] | None = None

    def sample(self, input_ids: Any, sequence_length: int, start_ids: Any = None, top_k: int = 50) -> Any:
        self.rows, self.start_ids = input_ids, start_ids
        return [[*row, FIRST_WORD] for row in input_ids]


class _Words:
    pad_token_id = PAD

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        return [BEGIN, *(self._ids.setdefault(word, FIRST_WORD + len(self._ids)) for word in text.split())]

    def decode(self, row: Sequence[int], skip_special_tokens: bool = False) -> str:
        return " ".join(map(str, row))


def _same(values: Any, **_: object) -> Any:
    return values


_TORCH = SimpleNamespace(as_tensor=_same, tensor=_same, inference_mode=nullcontext, no_grad=nullcontext)
