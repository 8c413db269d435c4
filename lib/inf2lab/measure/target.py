"""The endpoint under test: its address, its kind, and the rows and tokens of one request."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

from inf2lab.errors import SettingsError
from inf2lab.measure.prompts import PROMPTS, Lengths, Tokens, draw_prompts, read_prompts, tokens_of
from inf2lab.serving import ModelServer
from inf2lab.shapes import SHAPES, Ask, Shape

POOL = 256  # requests that are made up before the clock starts; a longer run begins with the first again
LANES = ("rehearsal", "inf2", "other")


@dataclass(frozen=True)
class Post:
    """One request as it is posted: the body, the prompts in it, and their tokens (None where nobody counts)."""

    body: bytes
    prompts: tuple[str, ...]
    prompt_tokens: tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a load goes. `lane` labels every figure; `other` is an endpoint that this lab did not start."""

    url: str
    kind: str = "article"
    model: str = "opt13b"
    rows: int = 1
    output_tokens: int = 32
    tokens: Tokens | None = None
    lane: str = "other"
    prompts: Path = PROMPTS
    lengths: str = "file"
    headers: dict[str, str] = field(default_factory=dict)
    metrics: Path | None = None  # the folder of the server's metrics logs
    gathers: int | None = None  # requests that the server gathers into one batch; None where nobody knows
    own_shape: Shape | None = None  # where no kind describes the endpoint

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise SettingsError("url", self.url, "must begin with http:// or https://")
        if self.kind not in SHAPES:
            known = "; ".join(f"{shape.name}: {shape.meaning}" for shape in SHAPES.values())
            raise SettingsError("kind", self.kind, f"use one of {known}")
        if self.lane not in LANES:
            raise SettingsError("lane", self.lane, f"use one of {', '.join(LANES)}")
        for name in ("rows", "output_tokens"):
            if getattr(self, name) < 1:
                raise SettingsError(name, getattr(self, name), "must be 1 or more")
        if self.rows > 1 and not self.shape.rows:
            raise SettingsError("rows", self.rows, f"{self.kind} takes one prompt a request: use 1")
        Lengths.parse(self.lengths)

    @classmethod
    def of(
        cls, server: ModelServer, *, output_tokens: int = 32, lengths: str = "file", prompts: Path = PROMPTS
    ) -> Target:
        """Return the target for a server of this lab; kind, rows and tokenizer follow from its folder."""
        lane = server.settings.lane
        return cls(
            url=server.endpoint.url,
            kind=server.shape,
            model=server.name,
            rows=server.rows,
            output_tokens=output_tokens,
            tokens=tokens_of(server.model_id, lane),
            lane=lane,
            prompts=prompts,
            lengths=lengths,
            metrics=server.log_path.parent,
            gathers=server.gathers,
        )

    @property
    def shape(self) -> Shape:
        """Its request and response."""
        return self.own_shape or SHAPES[self.kind]

    def requests(self, seed: int, count: int = POOL) -> list[Post]:
        """Return `count` requests, at most POOL, the same ones for the same seed; raises MeasureError."""
        texts, lengths = read_prompts(self.prompts), Lengths.parse(self.lengths)
        made = []
        for number in range(min(count, POOL)):
            rng = random.Random(f"{seed}:{number}")
            prompts = tuple(draw_prompts(texts, lengths, self.tokens, rows=self.rows, rng=rng))
            counted = tuple(self.tokens.count(prompts)) if self.tokens else None
            # The article's seq_length counts the prompt and the token that begins every text; where nobody
            # can count the prompt, the whole text gets `output_tokens`.
            ask = Ask(prompts, max(counted) + 1 if counted else 0, self.output_tokens, self.model)
            made.append(Post(json.dumps(self.shape.body(ask)).encode(), prompts, counted))
        return made


def fingerprint(posts: list[Post], arrivals: list[float]) -> str:
    """Return 12 digits that are equal for equal requests at equal times."""
    digest = hashlib.sha256()
    for post in posts:
        digest.update(post.body)
    digest.update(json.dumps(arrivals).encode())
    return digest.hexdigest()[:12]
