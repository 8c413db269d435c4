"""Write docs/where_next.md from the catalog: what has ended, where to go, and what becomes of every key on the way.

python tools/pages/write_where_next.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from inf2lab import catalog
from page_files import DOCS, options, write_pages

PAGE = DOCS / "where_next.md"
TARGETS = tuple(catalog.successors())


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from (
        "# Where next",
        "",
        "Written by `tools/pages/write_where_next.py` from `lib/inf2lab/catalog/successor*.json`, where every row has",
        "its source and how sure it is. No row was tried on the chip by this project.",
        "",
        "The stack that this tutorial teaches has ended. A folder of it goes on like this:",
        "",
        "    inf2lab migrate models/opt13b run.sh call.sh --to vllm-nxdi --out moved",
        "",
        "It says what becomes of every key in use, every default left unsaid and every field of the requests, and",
        "writes the command, compose, Kubernetes and SageMaker files of the new server, and the requests for it. Exit",
        "code 1: something in use has no successor. A `model.py` in use always is such a thing: code does not move by",
        "itself, so a person must look at it. `inf2lab lint moved` judges such files, written by hand or not.",
        "",
        "The new folder is served, asked, loaded and stopped by the commands that served the old one:",
        "",
        "    inf2lab serve moved                    # the real vLLM on this machine's processor (`make migrate-env`)",
        "    inf2lab doctor moved --lane inf2       # what it needs of this machine, in either lane",
        "    inf2lab serve moved --lane inf2        # on an instance: the container that the folder names",
        "    inf2lab load --clients 1,2,4           # the same axes as before",
        "",
        "A bridge before it takes the old requests too, streams among them; `bridge/bridge.py` says its limits.",
        "Drills are for DJLServing only: they break its worker and its folder, which the new server does not have.",
        "",
        "## What has ended",
        "",
        *_table(("day", "what"), ((one.date, one.what) for one in catalog.stack_history())),
        "## Where to go",
        "",
        *_table(("`--to`", "what it is", "runs on", "image unless asked", "why that one"), _targets()),
        "Images are named without a registry: put its address in front with `--image ADDRESS/NAME:TAG`.",
        f"The new server may stand on another instance: `--on NAME` takes those of before, and {_later()}.",
        "",
        "## Models",
        "",
        *_table(("models", "target", "served", "says who", "what"), _models()),
        "Contributed ports, on trn1 only: " + "; ".join(filter(None, map(catalog.contributed_port, _types()))) + ".",
        "",
        "## Keys of serving.properties",
        "",
        *_table(("key", *TARGETS), _fates("options")),
        "Without `option.`:",
        "",
        *_table(("key", *TARGETS), _fates("server_keys")),
        "Files and variables:",
        "",
        *_table(("what", *TARGETS), _fates("things")),
        "## Requests",
        "",
        *_table(("field", *TARGETS), _fates("request_fields")),
        "## What moves in any case",
        "",
        *_table(("what", *TARGETS), _moves()),
        "## Sources",
        "",
        *(f"- {text}" for text in catalog.successor_sources().values()),
    )


def _later() -> str:
    """The instances that only successors run on, each with what is known of its price."""
    later = [one for name, one in catalog.successor_hosts().items() if name not in catalog.instances()]
    return "; ".join(f"{one.name} ({one.cores} cores as a degree counts them; {one.source})" for one in later)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = tuple(heads)
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
    yield ""


def _targets() -> Iterator[tuple[str, ...]]:
    for one in catalog.successors().values():
        image = catalog.successor_image(one)
        yield one.name, one.title, ", ".join(one.families), f"`{image.name}`, vLLM {image.vllm}", one.why_image


def _models() -> Iterator[tuple[str, ...]]:
    for one in catalog.model_support():
        names = f"`{one.models}`" if one.models else ", ".join(one.types)
        with_sdk = f"{one.target}, SDK {one.sdk}" if one.sdk else one.target
        yield names, with_sdk, one.verdict, f"{one.kind}, {one.date}", f"{one.says} ({one.source})"


def _types() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for one in catalog.model_support() for name in one.types))


def _fates(kind: str) -> Iterator[tuple[str, ...]]:
    """One line for each group of names that fare alike on every target."""
    names = dict.fromkeys(name for one in catalog.fates(kind) for name in one.names)
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        alike.setdefault(tuple(_cell(catalog.fate(kind, name, target)) for target in TARGETS), []).append(
            name if " " in name else f"`{name}`"
        )
    return ((", ".join(group), *cells) for cells, group in alike.items())


def _cell(fate: catalog.Fate | None) -> str:
    if fate is None:
        return ""
    becomes = f" `{fate.becomes}`" if fate.rule else f" {fate.becomes}" if fate.becomes else ""
    return f"{fate.judged.said}{becomes}"


def _moves() -> Iterator[tuple[str, ...]]:
    for what in dict.fromkeys(move.what for move in catalog.moves(TARGETS[0])):
        yield what, *(next(one.becomes for one in catalog.moves(target) if one.what == what) for target in TARGETS)


if __name__ == "__main__":
    sys.exit(write_pages({PAGE: page()}, check=options(__doc__).parse_args().check))
