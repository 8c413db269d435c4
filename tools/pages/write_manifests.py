"""Render deploy/kubernetes from the folder that notebook 04 writes; a test compares it with what is committed.

python tools/pages/write_manifests.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from inf2lab import ModelFolder, Settings
from inf2lab.scale.kubernetes import Deployment, render
from page_files import ROOT

TARGET = ROOT / "deploy" / "kubernetes"
NAME = Settings().model_name
_MAGIC = "# %%writefile "


def folder_of_the_notebook(store: Path) -> ModelFolder:
    """Write the files of notebook 04's `%%writefile` cells below `store` and return the folder."""
    folder = ModelFolder(store / NAME)
    folder.path.mkdir(parents=True, exist_ok=True)
    cells = (ROOT / "notebooks" / "source" / "04_model_py.py").read_text(encoding="utf-8").split("\n# %% ")
    for cell in cells:
        head, _, rest = cell.partition("\n")[2].partition("\n")
        if head.startswith(_MAGIC):
            lines = [line.removeprefix("#").removeprefix(" ") for line in rest.rstrip().splitlines()]
            words = head.removeprefix(_MAGIC).split()
            with (folder.path / Path(words[-1]).name).open("a" if "-a" in words else "w") as file:
                file.write("\n".join(lines) + "\n")
    return folder


def committed(store: Path) -> Deployment:
    """Return the rendering that deploy/kubernetes holds: the default settings and the folder they make."""
    return render(Settings(), folder_of_the_notebook(store))


def main() -> None:
    """Write it."""
    with tempfile.TemporaryDirectory() as store:
        for path in committed(Path(store)).write(TARGET):
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
