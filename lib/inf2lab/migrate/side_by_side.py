"""Old request against old server, translated request against the real vLLM, greedy, token by token.

Both compute on this machine's processor, from the same weights: a text that differs tells of the translation, the
number format or the arithmetic, never of the chip. At f32 and f16 the texts are equal; at bf16 a flip between two
tokens that lie within a twentieth of a logit is rounding (measured 2026-11-28: tiny-opt, SmolLM2).
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inf2lab import paths
from inf2lab.errors import ServerError
from inf2lab.folder import ModelFolder
from inf2lab.migrate.migration import Migration
from inf2lab.migrate.requests import Translated
from inf2lab.serving import ModelServer, RehearsalServer, VllmServer, free_port, vllm_python
from inf2lab.settings import is_live
from inf2lab.shapes import SHAPES, read_answer
from inf2lab.words import Report

RECORD = "docs/compared.json"  # notebook 04's folder and the request of notebook 10
ROUNDING = 0.1  # logits: a flip between two tokens that are nearer is rounding


@dataclass(frozen=True)
class Compared:
    """One prompt on both servers. `at` is the first new token that differs, None for none, `margin` its distance in
    logits to the second best of the new server."""

    where: str
    prompt: str
    old: str  # without the prompt
    new: str
    tokens: int
    at: int | None = None
    margin: float | None = None

    @property
    def equal(self) -> bool:
        """Whether both wrote the same."""
        return self.at is None

    @property
    def is_rounding(self) -> bool:
        """Whether the difference begins where the two best tokens are all but equal."""
        return self.margin is not None and abs(self.margin) < ROUNDING

    @property
    def verdict(self) -> str:
        """In words."""
        if self.at is None:
            return f"all {self.tokens} tokens are equal"
        kind = "rounding" if self.is_rounding else "not rounding: look at the translation"
        return f"equal up to token {self.at}; the two best are {self.margin:.3f} logits apart there: {kind}"


def comparison(migration: Migration, how: str = "auto") -> tuple[str, list[Compared]]:
    """Return how the rows were come by, in words, and the rows: compared now, or as this clone has them on record.

    `how` as for `is_live`, with INF2LAB_COMPARISON and vLLM's environment. Raises LabError.
    """
    if is_live("comparison", how, vllm_python):
        return "compared here and now", compare(migration)
    found = json.loads((paths.root() / RECORD).read_text(encoding="utf-8"))
    rows = [Compared(**row) for row in found["rows"]]
    return f"recorded on {found['date']} ({found['machine']}); after `make migrate-env` it is live", rows


class Greedy(RehearsalServer):
    """The old server, drawing the likeliest token whatever the handler asks for."""

    def environment(self) -> dict[str, str]:
        """Return the rehearsal's variables and that one."""
        return super().environment() | {"REHEARSAL_GREEDY": "1"}


def compare(migration: Migration, *, successor: ModelServer | None = None, report: Report = print) -> list[Compared]:
    """Return what both servers answered to each prompt of the migration's requests; raises LabError.

    Both run on free ports, the old one on an emulated instance of its own, and end with this call; a `successor` that
    runs already is asked in place of a new one, and runs on.
    """
    if not migration.requests:
        raise ServerError("nothing to compare: name a file with a request, as in `inf2lab migrate FOLDER ask.sh`")
    with tempfile.TemporaryDirectory() as scratch:
        settings = replace(migration.state.needs.settings, lane="rehearsal", machine="compare")
        old = Greedy(replace(settings, port=free_port()), migration.state.needs.folder)
        new, starting = successor, list[ModelServer]()
        if new is None:
            migration.write(Path(scratch) / "migrated")
            new = VllmServer(replace(settings, port=free_port()), ModelFolder(Path(scratch) / "migrated"))
            new.check()
            starting = [new]
        with running([*starting, old], report):
            return [row for asked in migration.requests for row in against(new, asked, _old_texts(old, asked))]


@contextlib.contextmanager
def running(servers: Sequence[ModelServer], report: Report) -> Iterator[None]:
    """Start servers, each while the others load, and wait for them; end them with the context."""
    with contextlib.ExitStack() as ended:
        for server in servers:
            ended.callback(server.stop)
            server.start(report)
        for server in servers:
            server.wait_ready(report=report)
        yield


def _old_texts(server: ModelServer, asked: Translated) -> list[str]:
    """What the old server writes, without the prompts."""
    answer = server.endpoint.send(asked.old)
    texts = _texts(answer.json())
    if texts is None or len(texts) != len(asked.prompts):
        raise ServerError(f"{asked.where}: the old server answered {answer.text[:200]!r}: no text a prompt")
    return [text.removeprefix(prompt) for text, prompt in zip(texts, asked.prompts, strict=True)]


def _texts(answer: Any) -> list[str] | None:
    shape = SHAPES["article" if isinstance(answer, dict) else "builtin"]
    return read_answer(shape, json.dumps(answer).encode())


def against(server: ModelServer, asked: Translated, old: Sequence[str]) -> Iterator[Compared]:
    """Yield the new server's answers beside the old texts, prompt by prompt; raises ServerError, EndpointError."""
    found: Any = None  # the last answer
    try:
        counts = []
        for prompt in asked.prompts:
            found = server.endpoint.post("/tokenize", {"prompt": prompt}).json()
            counts.append(found["count"])
        body = asked.of_length(max(counts)) | {"temperature": 0, "logprobs": 2}
        for name in ("echo", "top_k", "stream", "n"):  # the likeliest text is one
            body.pop(name, None)
        found = server.endpoint.post("/v1/completions", body).json()
        pairs = zip(asked.prompts, old, found["choices"], strict=True)
        rows = [compared(asked.where, prompt, text, choice) for prompt, text, choice in pairs]
    except (LookupError, TypeError, ValueError) as error:
        wanted = "no text a prompt, with its tokens' log probabilities"
        raise ServerError(f"{asked.where}: the new server answered {str(found)[:200]}: {wanted}") from error
    yield from rows


def compared(where: str, prompt: str, old: str, choice: Mapping[str, Any]) -> Compared:
    """Return the comparison of an old text with a choice of vLLM's that has its tokens' log probabilities."""
    new, logs = str(choice["text"]), choice["logprobs"]
    row = Compared(where, prompt, old, new, len(logs["tokens"]))
    if old == new:
        return row
    same = next((place for place, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(old))
    starts = [offset - logs["text_offset"][0] for offset in logs["text_offset"]]
    at = max((place for place, start in enumerate(starts) if start <= same), default=0)
    best = sorted(logs["top_logprobs"][at].values(), reverse=True)
    return replace(row, at=at, margin=best[0] - best[1] if len(best) > 1 else None)
