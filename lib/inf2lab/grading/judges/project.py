"""Exercise 10: a migration read row by row, then two folders from nothing: priced, linted and moved."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inf2lab import lint, migrate
from inf2lab.grading.points import Given, Point
from inf2lab.planning import Plan, capacity, plan_of_files
from inf2lab.settings import Settings

MODEL, PROFILE, TARGET = "meta-llama/Llama-2-7b-hf", "djl-0.25", "vllm-nxdi"
RATE, TOKENS = 2, {"input_tokens": 128, "output_tokens": 128}
# For each folder: the seconds that 99 % of the answers must keep, and the price of the best choice, which a test finds.
P99_S = {"slow": 20.0, "quick": 3.0}
BEST_USD = {"slow": 12.98, "quick": 19.47}


@contextmanager
def written(text: str) -> Iterator[Path]:
    """Give a model folder with this serving.properties and nothing else."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "llama"
        folder.mkdir()
        (folder / "serving.properties").write_text(text, encoding="utf-8")
        yield folder


def planned(text: str, instance: str) -> Plan:
    """Return the planner's answer for a reader's file."""
    with written(text) as folder:
        return plan_of_files(folder, [], Settings(profile=PROFILE, instance=instance), TOKENS)


def usd_per_hour(text: str, instance: str, name: str) -> float:
    """Return what the load costs with a reader's file; infinite where no number of replicas keeps its time."""
    found = capacity(planned(text, instance), rate=RATE, p99_s=P99_S[name]).usd_per_hour
    return float("inf") if found is None else found


def _first_half(given: Given) -> Iterator[Point]:
    yield Point("the rows of the rolling batch run at once", lambda: given["at_once"] == 8, "the number of sequences")
    yield Point(
        "the quantized weights have a folder",
        lambda: given["setting"] == "quantized_checkpoints_path",
        "they are written when the model is compiled, so they need a place",
    )
    yield Point(
        "what is lost is named, and nothing else",
        lambda: set(given["gone"]) == {"option.group_query_attention"},
        "the rows of `what the folder says` whose verdict is lost",
    )


def _of_folder(given: Given, name: str) -> Iterator[Point]:
    def text() -> str:
        return str(given[name])

    def instance() -> str:
        return str(given[f"{name}_instance"])

    def errors() -> bool:
        with written(text()) as folder:
            found = lint(folder, Settings(profile=PROFILE, instance=instance())).findings
        return any(finding.severity == "error" for finding in found)

    def loads() -> bool:
        made = planned(text(), instance())
        room = made.host.once_gib <= made.request.hardware.host_gib
        return made.verdict.fit == "fits" and not made.problems and room

    def model() -> bool:
        request = planned(text(), instance()).request
        return request.model.name == MODEL and request.n_positions >= sum(TOKENS.values())

    def usd() -> float:
        return usd_per_hour(text(), instance(), name)

    yield Point(f"{name}: the model and its longest text", model, "128 tokens in and 128 out are one text")
    yield Point(f"{name}: the linter finds no error", lambda: not errors(), "`look` prints what the linter says")
    yield Point(
        f"{name}: it fits the cores, and the host can load it", loads, "both memories count, and `uncertain` is no"
    )
    yield Point(
        f"{name}: 99 % keep {P99_S[name]:g} seconds", lambda: usd() < float("inf"), "a higher degree answers sooner"
    )
    yield Point(
        f"{name}: nothing cheaper does it", lambda: usd() <= 1.01 * BEST_USD[name], "try other sizes and degrees"
    )
    yield Point(
        f"{name}: you know its price", lambda: abs(given["usd"][name] - usd()) < 0.01, "US dollars an hour, by `look`"
    )


def _moved(given: Given) -> bool:
    with written(str(given["quick"])) as folder:
        made = migrate(folder, to=TARGET, settings=Settings(profile=PROFILE, instance=str(given["quick_instance"])))
    return _nameless(given["launch"]) == _nameless(made.launch.words if made.launch else ())


def _nameless(words: Iterable[str]) -> list[str]:
    """Return the words of a launch without the model's name, which is the folder's."""
    given = list(words)
    at = given.index("--served-model-name") if "--served-model-name" in given else len(given)
    return given[:at] + given[at + 2 :]


def judge(given: Given) -> Iterator[Point]:
    """Ask for three things of the old folder, for two new ones, and for the launch of the quick one's successor."""
    yield from _first_half(given)
    for name in P99_S:
        yield from _of_folder(given, name)
    yield Point(
        "the quick folder is moved", lambda: _moved(given), "`migrate(...).launch.words`, of the file as it is now"
    )
