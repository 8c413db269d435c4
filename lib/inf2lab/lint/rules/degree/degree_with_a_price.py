"""A legal degree that pads heads, or that stands in no documented list."""

from inf2lab.lint.examples import OPT_13B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity
from neuron_rules import check_heads, check_listed

NAME, SEVERITY = "degree-with-a-price", Severity.NOTE
WHY = "Padded heads cost memory and time on every core, and a degree outside the documented list is less tried."
CURE = "Compare with the neighbouring degrees in `inf2lab plan`."
BAD = OPT_13B + "option.tensor_parallel_degree=24\noption.dtype=fp16\n"
GOOD = OPT_13B + "option.tensor_parallel_degree=8\noption.dtype=fp16\n"
EXPECT = [
    "serving.properties:3 40 attention heads are padded to 48 at degree 24: "
    "17% of the attention weights and of the KV cache is padding"
]


def check(folder: Folder) -> Hits:
    entry, degree = folder.option("tensor_parallel_degree"), folder.degree
    if entry is None or degree is None or not 1 <= degree <= folder.instance.cores:
        return
    checks = [check_listed(degree, folder.rules, folder.instance.family)]
    if folder.dims:
        checks.append(check_heads(degree, folder.dims, folder.rules))
    if not any(verdict.reasons for verdict in checks):
        for note in (note for verdict in checks for note in verdict.notes):
            yield Hit(entry, note)
