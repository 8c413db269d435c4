"""A tensor parallel degree that the cores, the runtime or the model's heads do not allow."""

from inf2lab.lint.examples import OLD_OPT_13B, OPT_1_3B, OPT_13B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity
from neuron_rules import check_cores, check_heads, check_listed

NAME, SEVERITY = "illegal-degree", Severity.ERROR
WHY = (
    "The server only checks that there are enough cores. A degree that the runtime does not know, or that does not "
    "divide the heads where they are not padded, fails deep in native code after minutes of loading."
)
CURE = "Choose a degree that `inf2lab plan` lists as legal."
BAD = OPT_13B + "option.tensor_parallel_degree=3\noption.dtype=fp16\n"
GOOD = OPT_13B + "option.tensor_parallel_degree=8\noption.dtype=fp16\n"
EXPECT = [
    "serving.properties:3 tensor parallel degree 3 is not supported by the Neuron runtime on inf2: "
    "use 1, 2, 4, 8, 24 or another even number"
]
MORE = [
    Example(
        bad=OLD_OPT_13B.replace("13b", size) + "option.tensor_parallel_degree=24\n",
        good=OLD_OPT_13B.replace("13b", size) + "option.tensor_parallel_degree=8\n",
        expect=(
            f"serving.properties:3 {heads} attention heads cannot be divided by tensor parallel degree 24, and "
            f"generation 0.2 does not pad OPT's heads: use one that divides {heads} ({divisors})",
        ),
        profile="seed-0.21",
    )
    for size, heads, divisors in (("13b", 40, "1, 2, 4, 8"), ("30b", 56, "1, 2, 4, 8"))
] + [
    Example(
        bad=OPT_1_3B + "option.tensor_parallel_degree=24\n",
        good=OPT_1_3B + "option.tensor_parallel_degree=4\n",
        expect=(
            "serving.properties:3 tensor parallel degree 24 needs 24 NeuronCores and 12 are visible: "
            "use a degree from 1 to 12, or an instance with more cores",
        ),
        instance="inf2.24xlarge",
    )
]


def check(folder: Folder) -> Hits:
    entry, degree = folder.option("tensor_parallel_degree"), folder.degree
    if entry is None or degree is None or degree < 1:
        return
    rules, family = folder.rules, folder.instance.family
    checks = [check_cores(degree, folder.instance.cores)]
    if folder.on_cores:
        checks.append(check_listed(degree, rules, family))
    if folder.on_cores and folder.dims:
        checks.append(check_heads(degree, folder.dims, rules))
    # Between two generations whose lists are written down, the list is a hint.
    exact = folder.profile.tnx_generation is not None or folder.profile.degree_rules != "0.2"
    for reason in (reason for verdict in checks for reason in verdict.reasons):
        unsure = reason.rule == "degree" and not exact
        yield Hit(entry, reason.text, severity=Severity.WARNING if unsure else None)
