"""The article's three rules for the tensor parallel degree, one answer each (AWS machine learning blog, 2023-04-10)."""

from __future__ import annotations

from dataclasses import dataclass

from neuron_rules import DTYPE_BYTES, GENERATIONS, ModelDims

ARTICLE_GB_PER_CORE = 16


@dataclass(frozen=True)
class ArticleRules:
    """Whether a degree passes each rule of the article. Sizes in GB (1e9 bytes), as the article counts."""

    degree: int
    heads_divide: bool
    size_gb: float
    room_gb: float
    supported: bool

    @property
    def fits(self) -> bool:
        """Rule 2: weights and KV cache together are smaller than 16 GB x degree."""
        return self.size_gb < self.room_gb

    @property
    def ok(self) -> bool:
        """All three at once."""
        return self.heads_divide and self.fits and self.supported


def article_rules(
    degree: int,
    model: ModelDims,
    *,
    batch_size: int,
    n_positions: int,
    dtype: str = "f16",
    family: str = "inf2",
) -> ArticleRules:
    """Apply the article's rules: heads divide by the degree; weights + KV cache < 16 GB x degree; a supported degree.

    The size is the plain one, parameters and cache in `dtype`, without what padding and the runtime add.
    """
    size = DTYPE_BYTES[dtype]
    cache = model.layers * 2 * n_positions * batch_size * model.hidden * size
    return ArticleRules(
        degree=degree,
        heads_divide=model.heads % degree == 0,
        size_gb=(model.parameters * size + cache) / 1e9,
        room_gb=ARTICLE_GB_PER_CORE * degree,
        supported=degree in GENERATIONS["0.2"].documented_degrees[family],
    )
