"""No file stops the linter, whatever it holds; and a safe fix never makes the file worse."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inf2lab import catalog
from inf2lab.folder.article import ARTICLE
from inf2lab.lint import RULES, Target, lint
from inf2lab.lint.output import as_json, as_sarif, as_text

KEYS = [*catalog.options().options, *catalog.options().server_keys, "x", ""]
VALUES = [
    "2",
    "-1",
    "0",
    "99999999999",
    "max",
    "fp16",
    "f16 ",
    "true",
    "auto",
    "disable",
    "Python",
    "facebook/opt-13b",
    "²",
    '"q"',
    "djl_python.transformers-neuronx",
    "model.py",
    "a # b",
    "\\",
    "\\u12",
    "\\uD800",
    "é",
    "1,2",
    "s3://b/opt-1.3b/",
]
KEY = st.one_of(st.sampled_from(KEYS), st.text(max_size=8))
VALUE = st.one_of(st.sampled_from(VALUES), st.text(max_size=12))
LINE = st.tuples(st.sampled_from(["option.", "", "# ", " option."]), KEY, st.sampled_from(["=", ":", " ", ""]), VALUE)
END = st.sampled_from(["\n", "\r\n", "\r", "\\\n"])
PROPERTIES = st.one_of(
    st.lists(st.tuples(LINE, END), max_size=8).map(
        lambda lines: "".join("".join(line) + end for line, end in lines).encode("latin-1", "replace")
    ),
    st.binary(max_size=200),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
CONFIG = st.fixed_dictionaries(
    {"model_type": st.sampled_from(["opt", "llama", "x", 3])},
    optional={
        key: st.one_of(st.integers(-2, 2**40), st.just("a"), st.none())
        for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings")
    },
).map(lambda config: json.dumps(config).encode())
CODE = ARTICLE["model.py"]["model.py"]
HANDLER = st.one_of(
    st.binary(max_size=120),
    st.tuples(st.integers(0, len(CODE)), st.integers(0, len(CODE))).map(
        lambda cut: (CODE[: cut[0]] + CODE[cut[1] :]).encode()
    ),
)
SCRIPT = st.one_of(
    st.text(max_size=120).map(str.encode),
    st.text(max_size=40).map(
        lambda text: f"docker run {text} --device /dev/neuron{text[:2]} djl-serving:{text}\n".encode()
    ),
    st.sampled_from([ARTICLE["built-in"]["run.sh"].encode(), ARTICLE["built-in"]["call.sh"].encode()]),
)
REQUEST = st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode()))
FILES = st.fixed_dictionaries(
    {"serving.properties": PROPERTIES},
    optional={
        "model.py": HANDLER,
        "run.sh": SCRIPT,
        "request.json": REQUEST,
        "config.json": st.one_of(CONFIG, REQUEST),
        "config.properties": PROPERTIES,
        "requirements.txt": st.binary(max_size=30),
    },
)


def _examples() -> list[dict[str, str]]:
    found = []
    for rule in RULES.values():
        pairs = [(rule.BAD, rule.GOOD), *((e.bad, e.good) for e in getattr(rule, "MORE", []))]
        found += [{"serving.properties": f} if isinstance(f, str) else dict(f) for pair in pairs for f in pair]
    return found


def _mutated(example: dict[str, str], cut: tuple[float, float], put: bytes, at: int) -> dict[str, bytes]:
    """The example with a piece of one file taken out and something put in its place."""
    files = {name: text.encode("latin-1", "replace") for name, text in example.items()}
    name = sorted(files)[at % len(files)]
    first, last = (int(share * len(files[name])) for share in cut)
    return files | {name: files[name][:first] + put + files[name][last:]}


SHARE = st.floats(0, 1)
MUTATED = st.builds(
    _mutated,
    st.sampled_from(_examples()),
    st.one_of(SHARE.map(lambda share: (share, share)), st.tuples(SHARE, SHARE)),
    st.one_of(st.just(b""), st.binary(max_size=6), VALUE.map(lambda text: text.encode("latin-1", "replace"))),
    st.integers(0, 3),
)


def check(files: dict[str, bytes], profile: str, instance: str) -> None:
    """Lint, print and mend a folder of these files."""
    with tempfile.TemporaryDirectory() as store:
        folder = Path(store) / "opt13b"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        target = Target(profile, instance)
        report = lint(folder, target)
        for text in (as_text([report]), json.dumps(as_json([report])), json.dumps(as_sarif([report]))):
            text.encode("utf-8")
        assert all(f.line >= 1 and "\n" not in f.message + f.fix for f in report.findings)
        assert {name: (folder / name).read_bytes() for name in files} == files
        if "serving.properties" not in files:
            return

        fixed = lint(folder, target, fix=True)
        assert [f for f in fixed.findings if f.edit] == []
        again = (folder / "serving.properties").read_bytes()
        assert lint(folder, target, fix=True).fixed == 0
        assert (folder / "serving.properties").read_bytes() == again


FOLDERS = given(
    files=st.one_of(FILES, MUTATED, MUTATED),
    profile=st.sampled_from([*catalog.profiles(), "djl-0.35"]),
    instance=st.sampled_from(list(catalog.instances())),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@FOLDERS
def test_no_folder_stops_the_linter(files: dict[str, bytes], profile: str, instance: str) -> None:
    check(files, profile, instance)


@pytest.mark.thorough
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@FOLDERS
def test_none_of_many_folders_stops_the_linter(files: dict[str, bytes], profile: str, instance: str) -> None:
    check(files, profile, instance)
