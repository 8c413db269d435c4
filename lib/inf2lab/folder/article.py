"""The article's two model folders, its docker command and its request, as the files they were: what the linter is for.

Rebuilt from the keys, calls and values of the AWS article of 2023-04-10; comments and prose are left out.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

ARTICLE_PROFILE = "seed-0.21"
_COMMANDS = {"run.sh": "run.sh", "call.sh": "call.sh"}
_FILES = {
    "built-in": {"serving.properties": "built-in.properties", **_COMMANDS},
    "first example": {"serving.properties": "first-example.properties"},
    "model.py": {"serving.properties": "model-py.properties", "model.py": "model.py.txt", **_COMMANDS},
}


def _read(file: str) -> str:
    return (Path(__file__).parent / "article_files" / file).read_text(encoding="utf-8")


ARTICLE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {route: {name: _read(file) for name, file in files.items()} for route, files in _FILES.items()}
)
"""The article's folders by route: {route: {file: text}}. All are called opt13b there."""


def write_article(route: str, store: Path | str) -> Path:
    """Write the files of one route (a key of ARTICLE) into `store`/opt13b and return that folder."""
    folder = Path(store) / "opt13b"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ARTICLE[route].items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
