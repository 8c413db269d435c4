"""The article against DJLServing 0.21.0: each trap is found where it is, and not where it is mended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab.folder.article import ARTICLE, ARTICLE_PROFILE, write_article
from inf2lab.lint import RULES, Target, lint
from inf2lab.lint.finding import Severity
from tests.support.written import write_folder

if TYPE_CHECKING:
    from conftest import Lint

# What is known to be wrong with the article's own files: {(file, line): rules}.
FOUND = {
    "built-in": {
        ("serving.properties", 1): {"I001"},
        ("serving.properties", 4): {"O003"},
        ("serving.properties", 8): {"E001"},
        ("call.sh", 1): {"R001", "R002", "R006"},
        ("run.sh", 1): {"S003", "T004"},
        ("run.sh", 4): {"S001"},
        ("run.sh", 5): {"L002"},
    },
    "first example": {
        ("serving.properties", 1): {"L001"},
        ("serving.properties", 2): {"E001", "O001", "D002"},
        ("serving.properties", 3): {"K003"},
        ("serving.properties", 4): {"I001"},
    },
    "model.py": {
        ("call.sh", 1): {"R006"},
        ("model.py", 19): {"M005"},
        ("model.py", 21): {"M013"},
        ("model.py", 27): {"M007", "M010"},
        ("model.py", 36): {"M006"},
        ("model.py", 37): {"M009"},
        ("model.py", 42): {"M012"},
        ("model.py", 43): {"M011"},
        ("run.sh", 1): {"S003", "T004"},
        ("run.sh", 4): {"S001"},
    },
}
OLD = "option.entryPoint=djl_python.transformer-neuronx\noption.model_loading_timeout=1200\n"
OWN = ARTICLE["model.py"]
RUN, CALL = OWN["run.sh"], OWN["call.sh"]
GOOD_RUN = (
    "docker run --network=host -e SERVING_MANAGEMENT_ADDRESS=http://127.0.0.1:8081 --device /dev/neuron0 -u djl "
    "-v $PWD/models:/opt/ml/model deepjavalibrary/djl-serving:0.21.0-pytorch-inf2 serve\n"
)
WITH_OPTION = OWN["serving.properties"] + "option.n_positions=256\n"
READS_MODEL_ID = OWN["model.py"].replace('"facebook/opt-13b"', 'properties["model_id"]')
PADS = OWN["model.py"].replace(
    "torch.as_tensor([tokenizer.encode(text) for text in prompt])", "torch.as_tensor(pad(prompt))"
)

Files = Mapping[str, str]
# (rule, what the article does, the same mended) for each row of the list of traps.
TRAPS: dict[str, tuple[str, str | Files, str | Files]] = {
    "entry point, first spelling": ("E001", "option.entryPoint=djl_python.transformers_neuronx\n", OLD),
    "entry point, second spelling": ("E001", "option.entryPoint=djl_python.transformers-neuronx\n", OLD),
    "model_id and folder": (
        "I001",
        OLD + "option.model_id=facebook/opt-1.3b\n",
        OLD + "option.model_id=facebook/opt-13b\n",
    ),
    "model.py and model_id": (
        "M005",
        OWN,
        OWN
        | {
            "model.py": READS_MODEL_ID,
            "serving.properties": OWN["serving.properties"] + "option.model_id=facebook/opt-13b\n",
        },
    ),
    "fp16 for the handler": ("D001", OLD + "option.dtype=f16\n", OLD + "option.dtype=fp16\n"),
    "f16 for model.py": ("D001", OWN | {"serving.properties": OWN["serving.properties"].replace("f16", "fp16")}, OWN),
    "the dtype of the text in the first file": (
        "D001",
        ARTICLE["built-in"] | {"serving.properties": ARTICLE["built-in"]["serving.properties"].replace("fp16", "f16")},
        ARTICLE["built-in"],
    ),
    "n_positions and seq_length": (
        "R001",
        {"serving.properties": OLD + "option.n_positions=256\n", "call.sh": CALL},
        {"serving.properties": OLD + "option.n_positions=2048\n", "call.sh": CALL},
    ),
    "n_positions that model.py ignores": ("M004", OWN | {"serving.properties": WITH_OPTION}, OWN),
    "loading timeout in two places": (
        "L002",
        {"serving.properties": OLD, "run.sh": RUN},
        {"serving.properties": OLD, "run.sh": GOOD_RUN},
    ),
    "ten minutes to load": (
        "L001",
        OLD.replace("1200", "600") + "option.model_id=facebook/opt-13b\n",
        OLD + "option.model_id=facebook/opt-1.3b\n",
    ),
    "two files, one name": (
        "P008",
        {"serving.properties": OLD, "make.sh": "echo 1 > serving.properties\necho 2 > serving.properties\n"},
        {"serving.properties": OLD},
    ),
    "both routes in one folder": ("E003", OWN | {"serving.properties": OLD}, OWN),
    "task": ("K003", OLD + "option.task=text-generation\n", OLD),
    "the request's keys": ("R002", {"serving.properties": OLD, "call.sh": CALL}, OWN),
    "unequal prompts": ("M006", OWN, OWN | {"model.py": PADS}),
    "globals": ("M012", OWN, OWN | {"model.py": "tokenizer = batch_size = None\n" + OWN["model.py"]}),
    "if not model": ("M011", OWN, OWN | {"model.py": OWN["model.py"].replace("not model", "model is None")}),
    "no end of text": ("R006", OWN, OWN | {"call.sh": CALL.replace("2048", "128")}),
    "the URL": ("R004", OWN | {"call.sh": CALL.replace("/opt13b", "/opt-13b")}, OWN),
    "copies": ("T004", OWN, OWN | {"run.sh": GOOD_RUN}),
    "devices with gaps": ("S001", OWN, OWN | {"run.sh": GOOD_RUN}),
    "a degree outside the list": (
        "T001",
        OLD + "option.tensor_parallel_degree=6\n",
        OLD + "option.tensor_parallel_degree=8\n",
    ),
    "a degree that does not divide the heads": (
        "T001",
        OLD + "option.tensor_parallel_degree=24\noption.model_id=facebook/opt-13b\n",
        OLD + "option.tensor_parallel_degree=24\noption.model_id=facebook/opt-66b\n",
    ),
    "a model that does not fit": (
        "T003",
        OWN | {"serving.properties": OWN["serving.properties"].replace("batch_size=2", "batch_size=3")},
        OWN,
    ),
    "the host's network": ("S003", OWN, OWN | {"run.sh": GOOD_RUN}),
    "metadata out of reach": ("S004", OWN | {"run.sh": RUN.replace("--network=host", "")}, OWN),
    "mounts": ("S005", OWN | {"run.sh": RUN.replace(":/opt/ml/model", ":/opt/models")}, OWN),
    "s3url beside model_id": (
        "I002",
        ARTICLE["built-in"]
        | {"serving.properties": ARTICLE["built-in"]["serving.properties"].replace("#option", "option")},
        ARTICLE["built-in"],
    ),
    "low_cpu_mem_usage": ("M013", OWN, OWN | {"model.py": OWN["model.py"].replace(", low_cpu_mem_usage=True", "")}),
    "batch_size without option.": ("B001", OLD + "batch_size=2\n", OLD + "option.batch_size=2\n"),
    "the split folder": (
        "M007",
        OWN,
        OWN
        | {"model.py": OWN["model.py"].replace("os.path.join(tempfile.gettempdir(), model_id)", "tempfile.mkdtemp()")},
    ),
    "the checkpoint in memory": (
        "M010",
        OWN,
        OWN | {"model.py": OWN["model.py"].replace("    tokenizer = Auto", "    del model\n    tokenizer = Auto")},
    ),
    "the number of prompts": (
        "M009",
        OWN,
        OWN | {"model.py": OWN["model.py"].replace("    data =", "    assert len(inputs) == batch_size\n    data =")},
    ),
    "a form instead of JSON": ("R005", OWN | {"call.sh": CALL.replace("-H 'Content-Type: application/json'", "")}, OWN),
    "the batch of the request": ("R003", OWN | {"call.sh": CALL.replace('"Hello, I am a language model,", ', "")}, OWN),
}


@pytest.mark.parametrize("route", ARTICLE)
def test_the_articles_files_give_exactly_the_known_defects(route: str, tmp_path: Path) -> None:
    found: dict[tuple[str, int], set[str]] = {}
    for finding in lint(write_article(route, tmp_path), Target(ARTICLE_PROFILE)).findings:
        found.setdefault((finding.file, finding.line), set()).add(finding.rule)
    assert found == FOUND[route]


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_is_found_and_its_cure_is_not(name: str, lint_files: Lint) -> None:
    rule, bad, good = TRAPS[name]
    assert rule in {f.rule for f in lint_files(bad, ARTICLE_PROFILE).findings}
    assert rule not in {f.rule for f in lint_files(good, ARTICLE_PROFILE).findings}


def test_every_trap_names_a_rule() -> None:
    assert {rule for rule, _, _ in TRAPS.values()} <= RULES.keys()
    assert len(TRAPS) > 30


@pytest.mark.parametrize("notebook", ["03_serving_properties", "04_model_py"])
def test_the_folders_that_the_notebooks_write_are_clean(notebook: str, root: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "opt13b", root / "notebooks" / f"{notebook}.ipynb")
    assert lint(folder, Target("djl-0.25")).findings == ()


def test_the_articles_image_would_refuse_the_notebooks_built_in_folder(root: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "opt13b_builtin", root / "notebooks" / "03_serving_properties.ipynb")
    errors = {f.rule for f in lint(folder, Target(ARTICLE_PROFILE)).findings if f.severity is Severity.ERROR}
    assert errors == {"E001"}
