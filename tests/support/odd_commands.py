"""Odd command lines, the same ones for a seed: every command of the CLI with values and files that nobody meant.

The commands and their options are read from the CLI itself. Nothing here leaves a folder, bills or downloads.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import typer

from inf2lab import catalog
from inf2lab.cli import app

PROPERTIES = "engine=Python\noption.model_id=facebook/opt-13b\noption.tensor_parallel_degree={}\noption.dtype=fp16\n"
DEEP = "[" * 100_000
HUGE = "9" * 5000
NUMBERS = ("0", "1", "2", "-1", "7", "1000000", "9" * 30, HUGE, "1e3", "\u0663", "x", "", " 1", "+1", "0x10")
FLOATS = ("0", "1", "0.5", "-1", "nan", "inf", "-inf", "1e400", "1e-320", "1e308", HUGE, "x", "")
WORDS = (
    *(
        "",
        " ",
        "-",
        "--",
        "x",
        "\u00e9",
        "\u65e5\u672c",
        "\udcff",
        "a/b",
        "../..",
        "a" * 300,
        "b" * 5000,
        "a\nb",
        "{}",
        "%s",
    ),
    *("facebook/opt-13b", "opt-1.3b", "smollm2-135m", "none", "null", "0", "-1", "NaN", "a,b", "0,1,2", "0,0", HUGE),
    *(
        "A=1",
        "OPTION_DTYPE=fp16",
        "OPTION_TENSOR_PARALLEL_DEGREE=999",
        "=",
        "A",
        "--shm-size 8g",
        "'",
        '"',
        "$(x)",
        "10s",
    ),
    *(
        "1,2",
        "16-64",
        "40~12",
        "64-16",
        "1e9s",
        "nans",
        "5m",
        "article",
        "raw",
        "http://127.0.0.1:9",
        "http://[",
        "file:///x",
    ),
)
NAMES = {  # values that are meant, so that an odd one beside them is reached
    "lane": ("rehearsal", "inf2"),
    "profile": tuple(catalog.profiles()),
    "instance": tuple(catalog.instances()),
    "region": ("us-east-2", "mars-1"),
    "server": ("rehearsal", "djl"),
    "network": ("bridge", "host"),
    "port": ("1", "9", "65535", "65536", "0"),
    "price_basis": ("on-demand", "reserved"),
    "dtype": ("f16", "bf16", "fp16"),
    "rate": ("5",),
    "url": ("http://127.0.0.1:9",),
}
# What takes minutes, asks a network or ends more than this run's own; a name of a drill too, for it starts servers.
NEVER = {"--all", "--large", "--record", "--haproxy", "-f", "--follow"}
NEVER_IN_PROCESS = {("serve",), ("stop",), ("fetch",), ("drill",), ("scale", "ray"), ("load",), ("prove",), ("doctor",)}


@dataclass(frozen=True)
class Odd:
    """One invocation: its words, what its environment has beside the usual (None: is not set), and its streams."""

    words: tuple[str, ...]
    environment: tuple[tuple[str, str | None], ...] = ()
    stdin: str = "null"  # or closed, zero
    stdout: str = "pipe"  # or closed, full
    gone: bool = False  # whether its working folder is removed before it starts

    def __str__(self) -> str:
        around = [f"{name}={'(not set)' if value is None else value[:60]}" for name, value in self.environment]
        around += [f"stdin={self.stdin}"] * (self.stdin != "null") + [f"stdout={self.stdout}"] * (self.stdout != "pipe")
        words = [word if len(word) < 60 else f"{word[:20]}...({len(word)})" for word in self.words]
        return f"{' '.join(around)} inf2lab {' '.join(map(repr, words))}{' (its folder is gone)' if self.gone else ''}"


def commands() -> dict[tuple[str, ...], list[click.Parameter]]:
    """Return the options and arguments of every command of the CLI, by its words."""
    return dict(_walk(typer.main.get_command(app)))


def make_files(folder: Path) -> list[str]:
    """Write odd files and model folders, and return their names with some that are no files."""
    texts: dict[str, str | bytes] = {
        "empty.json": "",
        "binary.json": bytes(range(256)) * 20,
        "deep.json": DEEP,
        "huge.json": '{"a": ' + HUGE + "}",
        "nan.json": '[{"concurrentClients": NaN, "tps": 1e400, "failedRequests": 0, "averageLatency": 0}]',
        "curve.json": json.dumps([_point(clients) for clients in (1, 2, 4)]),
        "zero_curve.json": json.dumps([_point(1) | {"tps": 0, "averageLatency": 0, "p50Latency": 0}]),
        "list.json": "[1, 2]",
        "words.txt": "\ufeffa prompt\nanother\n",
        "utf16.log": "Traceback (most recent call last)\nKeyError: 'x'\n".encode("utf-16"),
        "start.sh": "docker run --device /dev/neuron"
        + HUGE
        + " -e OPTION_TENSOR_PARALLEL_DEGREE="
        + HUGE
        + " djl serve\n",
        "pod.yaml": "kind: Pod\nspec: {containers: [{image: djl, env: {a: 1}, resources: {limits: "
        f"{{aws.amazon.com/neuron: {HUGE}}}}}}}]}}\n",
        "deep.yaml": "[" * 2000,
        "good/serving.properties": PROPERTIES.format(2),
        "huge_degree/serving.properties": PROPERTIES.format(HUGE),
        "odd_degree/serving.properties": PROPERTIES.format("\u0662\ud7ff"),
        "binary/serving.properties": bytes(range(256)),
        "with_binary/serving.properties": PROPERTIES.format(2),
        "with_binary/tokenizer.model": bytes(range(256)),
        "empty/nothing.txt": "",
        "model_py/model.py": "def handle(inputs):\n    return None\n",
        "bad_model_py/model.py": b"\x00\xff def",
        "deep_model_py/model.py": "x = " + "(" * 500 + ")" * 500,
        "Name \u00e9/serving.properties": PROPERTIES.format(1),
    }
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100, "ffn_dim": 256}
    whole = {"model_type": "opt", "max_position_embeddings": 64, **sizes}
    for name in whole:
        for number, value in enumerate((0, -64, "64", 64.5, True, None, [], {}, 10**400)):
            texts[f"config_{name}_{number}/config.json"] = json.dumps(whole | {name: value})
    texts |= {"config_1e400/config.json": json.dumps(whole).replace("64", "1e400"), "config_deep/config.json": DEEP}
    texts |= {
        "config_binary/config.json": b"\xff\xfe\x00",
        "config_list/config.json": "[]",
        "config/config.json": json.dumps(whole),
    }
    for name, content in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    (folder / "loop").symlink_to("loop")
    tops = sorted({name.split("/")[0] for name in texts})
    missing = ["missing", "loop", "empty.json/below", "c" * 5000, "/proc/nowhere/x", "", "\udcff"]
    return [*(str(folder / name) for name in tops), *missing]


def invocations(seed: int, folder: Path, *, bad_folders: list[str], in_process: bool = False) -> Iterator[Odd]:
    """Yield, without end, odd invocations; `bad_folders` cannot be written."""
    chance, files = random.Random(seed), make_files(folder)
    known = {words: options for words, options in commands().items() if not (in_process and words in NEVER_IN_PROCESS)}
    while True:
        for words, options in known.items():
            given = [*words, *_values(chance, options, files, folder)]
            if in_process:
                yield Odd(tuple(given))
                continue
            yield Odd(
                tuple(given),
                tuple(_environment(chance, bad_folders)),
                chance.choice(("null",) * 8 + ("closed", "zero")),
                chance.choice(("pipe",) * 9 + ("closed", "full")),
                chance.random() < 0.03,
            )


def faults(odd: Odd, code: int, said: str, complained: str) -> list[str]:
    """Return what is wrong with how an invocation ended."""
    found = [f"exit code {code}"] if code not in (0, 1, 2) else []
    found += [word for word in ("Traceback (most", "Exception ignored", "Error in sys") if word in complained + said]
    own = [line for line in complained.splitlines() if line.startswith("inf2lab: ")]
    usage = "Usage: " in complained or "Usage: " in said
    if code == 2 and not usage and odd.stdout != "closed" and (len(own) != 1 or complained.count("\n") > 1):
        found.append(f"{complained.count(chr(10))} lines for one sentence")
    return found


def _walk(
    command: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[click.Parameter]]]:
    if below := getattr(command, "commands", None):  # typer's own groups are no click.Group
        for name, command in below.items():
            yield from _walk(command, (*words, name))
    else:
        yield words, command.params


def _values(chance: random.Random, options: list[click.Parameter], files: list[str], folder: Path) -> Iterator[str]:
    chosen = chance.sample(options, min(len(options), chance.randint(0, 4)))
    for option in options:
        if option.param_type_name == "argument":
            most = 3 if option.nargs == -1 else 1
            for _ in range(chance.randint(1 if option.required and chance.random() < 0.95 else 0, most)):
                yield _value(chance, option, files, folder)
        elif option in chosen and not NEVER.intersection(option.opts):
            yield chance.choice(option.opts)
            if not getattr(option, "is_flag", False):
                yield _value(chance, option, files, folder)
    if chance.random() < 0.03:
        yield chance.choice(WORDS)


def _value(chance: random.Random, option: click.Parameter, files: list[str], folder: Path) -> str:
    name, kind = option.name or "", str(option.type)
    if name in NAMES and chance.random() < 0.7:
        return chance.choice(NAMES[name])
    if name == "model" and chance.random() < 0.6:
        return chance.choice(files)
    if "Path" in kind or "PATH" in kind:
        written = str(folder / "written" / f"{chance.randrange(10)}.txt")
        return chance.choice((*files, written, str(folder / "good"), "/dev/full", *WORDS[:12]))
    pool: tuple[Any, ...] = NUMBERS if "INT" in kind or "Int" in kind else FLOATS if "FLOAT" in kind else WORDS
    return str(chance.choice(pool))


def _environment(chance: random.Random, bad_folders: list[str]) -> Iterator[tuple[str, str | None]]:
    odd: dict[str, list[str | None]] = {
        "INF2LAB_LOGS": [*bad_folders],
        "INF2LAB_CACHE": [*bad_folders],
        "INF2LAB_ROOT": [*bad_folders, "/", "missing"],
        "INF2LAB_DEVICES": [*bad_folders, "missing"],
        "INF2LAB_PORT": ["x", "0", HUGE],
        "INF2LAB_PROFILE": ["x", "lmi-0.34"],
        "INF2LAB_INSTANCE": ["", "x"],
        "DJL_SERVING_HOME": [*bad_folders, "missing"],
        "HOME": [None, *bad_folders],
        "TMPDIR": [*bad_folders],
        "PATH": ["", None],
        "COLUMNS": ["0", "1", "x"],
        "PYTHONIOENCODING": ["ascii", "latin-1"],
        "LC_ALL": ["C", "nowhere"],
        "TERM": ["dumb", ""],
        "DOCKER_HOST": ["unix:///nowhere"],
        "AWS_PROFILE": ["nobody"],
        "AWS_DEFAULT_REGION": ["\u00e9"],
    }
    for name, values in odd.items():
        if chance.random() < 0.06:
            yield name, chance.choice(values)


def _point(clients: int) -> dict[str, Any]:
    times = dict.fromkeys(("averageLatency", "p50Latency", "p90Latency", "p99Latency"), 100.0 * clients)
    return {"totalRequests": 30, "failedRequests": 0, "concurrentClients": clients, "tps": 10.0, **times, "inf2lab": {}}


def environment_of(odd: Odd, home: Path) -> dict[str, str]:
    """Return the whole environment of an invocation: nobody's credentials, no network, folders of its own."""
    usual = {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "lib"),
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "HOME": str(home),
        "INF2LAB_LOGS": str(home / "logs"),
        "INF2LAB_CACHE": str(home / "cache"),
        "HF_HUB_OFFLINE": "1",
        "PIP_NO_INDEX": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_COLOR": "1",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        "COLUMNS": "200",
    }
    for name, value in odd.environment:
        usual.pop(name, None)
        if value is not None:
            usual[name] = value
    return usual
