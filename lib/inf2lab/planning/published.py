"""The public rules for the tensor parallel degree: the article's, the vendor's calculator's, DJL's smart defaults'."""

import math
from dataclasses import dataclass

from inf2lab import catalog
from inf2lab.planning.request import INT8, Request
from neuron_rules import DTYPE_BYTES, GENERATIONS, GIB, ModelDims


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


@dataclass(frozen=True)
class PublicRule:
    """What one public rule says: whether it accepts the degree, the smallest it would take, and how it counts."""

    name: str
    accepts: bool
    smallest_degree: int | None
    text: str


def article_rules(
    degree: int, model: ModelDims, *, batch_size: int, n_positions: int, dtype: str = "f16", family: str = "inf2"
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
        room_gb=catalog.public_rule_facts().gb_per_core * degree,
        supported=degree in GENERATIONS["0.2"].documented_degrees[family],
    )


def public_rules(request: Request) -> tuple[PublicRule, ...]:
    """Return what the three public rules say of the request, in the order of their age."""
    return (_article(request), _calculator(request), _smart_defaults(request))


def _article(request: Request) -> PublicRule:
    degrees = GENERATIONS["0.2"].documented_degrees[request.hardware.family]
    verdicts = {degree: _article_verdict(request, degree) for degree in {*degrees, request.tensor_parallel_degree}}
    asked = verdicts[request.tensor_parallel_degree]
    sign = "<" if asked.fits else ">"
    text = f"weights + cache {asked.size_gb:.1f} {sign} 16 GB x degree = {asked.room_gb:.0f} GB"
    if not asked.heads_divide:
        text += f"; {request.model.heads} heads leave a rest"
    if not asked.supported:
        text += f"; supported are {', '.join(map(str, degrees))}"
    smallest = next((d for d in degrees if verdicts[d].ok and d <= request.hardware.cores), None)
    return PublicRule("the article (2023-04)", asked.ok, smallest, text)


def _article_verdict(request: Request, degree: int) -> ArticleRules:
    return article_rules(
        degree,
        request.model,
        batch_size=request.batch_size,
        n_positions=request.n_positions,
        dtype=request.dtype,
        family=request.hardware.family,
    )


def _calculator(request: Request) -> PublicRule:
    """12 L h² for the weights and 2 b L n h for the cache, two bytes each, 16 GiB a core (neuron-calculator.rst)."""
    model = request.model
    weights = 12 * model.layers * model.hidden**2 * 2
    cache = 2 * request.batch_size * model.layers * request.n_positions * model.hidden * 2
    known = catalog.public_rule_facts()
    needed = (weights + cache) / (known.gb_per_core * GIB)
    degrees = known.calculator_degrees[request.hardware.family]
    smallest = next((d for d in degrees if d >= needed and d <= request.hardware.cores), None)
    asked = request.tensor_parallel_degree
    text = (
        f"{(weights + cache) / GIB:.1f} GiB need {needed:.2f} cores of 16 GiB; no vocabulary, no gated or grouped "
        f"layers, no reserve; knows degrees {', '.join(map(str, degrees))}"
    )
    return PublicRule("the vendor's calculator", asked in degrees and asked >= needed, smallest, text)


def _smart_defaults(request: Request) -> PublicRule:
    """Parameters x 2 bytes (1 if quantized) x 1.1 over 16 GB cores; degrees 1, 2, 4, 8 and all (DJL 0.30 to 0.34)."""
    cores, known = request.hardware.cores, catalog.public_rule_facts()
    size_gb = request.parameters * (1 if request.weights == INT8 else 2) / 1e9
    needed = math.ceil(known.smart_margin * size_gb / known.gb_per_core)
    degrees = [degree for degree in known.smart_degrees if degree < cores] + [cores]
    smallest = next((degree for degree in degrees if degree >= needed), None)
    asked = request.tensor_parallel_degree
    text = f"{size_gb:.1f} GB of weights need {needed} cores of 16 GB; the cache takes what is left"
    return PublicRule("DJL's smart defaults (0.30)", asked in degrees and asked >= needed, smallest, text)
