"""Weights and KV cache need more of a core than the runtime leaves."""

from inf2lab.folder import LIBRARY_POSITIONS
from inf2lab.lint.examples import OPT_13B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short
from inf2lab.words import plural
from neuron_rules import GIB, Fit, bytes_per_core, judge_memory

NAME, SEVERITY = "model-beyond-memory", Severity.ERROR
WHY = (
    "A core has 16 GiB, and the runtime needs 1.7 GiB of them at the least; a larger model ends in "
    "NRT_RESOURCE after the load."
)
CURE = "Use a higher degree, fewer rows or positions, or a smaller dtype."
BAD = OPT_13B + "option.tensor_parallel_degree=2\noption.batch_size=3\noption.n_positions=2048\noption.dtype=fp16\n"
GOOD = BAD.replace("batch_size=3", "batch_size=2")
EXPECT = ["serving.properties:2 OPT-13B at degree 2, 3 rows, 2048 positions and f16 needs 14.31 GiB of a core's 16"]


def check(folder: Folder) -> Hits:
    entry = folder.option("model_id")
    degree, positions = folder.degree, folder.n_positions
    dims, rows, amp = folder.dims, folder.rows, folder.amp
    if folder.own and positions is None and dims and not folder.own.reads("n_positions"):
        positions = min(LIBRARY_POSITIONS, dims.max_positions)
    if not (dims and degree and rows and positions and amp) or max(degree, rows, positions) > 2**20:
        return
    if not folder.on_cores or min(degree, rows, positions) < 1:
        return
    core = bytes_per_core(
        dims,
        generation=folder.rules,
        degree=degree,
        batch_size=rows,
        n_positions=positions,
        dtype=amp,
        matrix_dtype="s8" if folder.in_8bit else None,
    )
    if judge_memory(core).fit is Fit.DOES_NOT_FIT:
        yield Hit(
            entry or 1,
            f"{_name(dims.name)} at degree {degree}, {plural(rows, 'row')}, {positions} positions and {amp} "
            f"needs {core.total / GIB:.2f} GiB of a core's 16",
            # What is left to a default may be set elsewhere, as by OPTION_DTYPE in the container's environment.
            severity=None if folder.own or _stated(folder) else Severity.WARNING,
        )


def _stated(folder: Folder) -> bool:
    rows = ("max_rolling_batch_size",) if folder.rolling else ()
    return all(folder.option(name) for name in ("tensor_parallel_degree", "dtype", *rows))


def _name(name: str) -> str:
    return short(name.rsplit("/", 1)[-1].upper()) if name else "the model"
