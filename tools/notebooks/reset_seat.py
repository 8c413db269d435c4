#!/usr/bin/env python
"""Gives a seat of a workshop to its next reader: python tools/notebooks/reset_seat.py, or `make reset`.

Servers of this clone are stopped. What was changed or added below notebooks/ is kept in logs/kept, then the committed
notebooks come back. The model folders that notebooks and exercises write are removed; weights stay.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from inf2lab import paths
from inf2lab.serving import stop_everything

WRITTEN = ("opt13b*", "exercise_*", "opt1b3*", "llama*")  # model folders of a file or two
LARGEST = 2**20  # bytes: a folder with more in it holds weights


def changed(root: Path) -> list[Path]:
    """The files below notebooks/ that are not as they were committed; raises CalledProcessError without git."""
    command = ["git", "-C", str(root), "status", "--porcelain", "-z", "--untracked-files=all", "--", "notebooks"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [path for line in listed if line and (path := root / line[3:]).is_file()]


def keep(files: list[Path], root: Path) -> Path:
    """Move `files` to a folder of logs/kept, under the names that they have below the repository."""
    place = paths.logs() / "kept" / time.strftime("seat-%Y%m%d-%H%M%S")
    for file in files:
        target = place / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)
    return place


def written_folders(root: Path) -> list[Path]:
    """The model folders that readers' notebooks wrote."""
    found = {folder for pattern in WRITTEN for folder in (root / "models").glob(pattern) if folder.is_dir()}
    return sorted(folder for folder in found if _size(folder) <= LARGEST)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when the seat is ready, 2 where git cannot bring the notebooks back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(arguments)
    root = paths.root()
    stop_everything()
    try:
        files = changed(root)
        if files:
            print(f"{len(files)} notebooks and files are kept in {paths.shown(keep(files, root))}")
        subprocess.run(["git", "-C", str(root), "checkout", "--quiet", "--", "notebooks"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"git cannot bring the notebooks back ({error}): in an image, start a new container", file=sys.stderr)
        return 2
    for folder in written_folders(root):
        shutil.rmtree(folder)
        print(f"removed: {paths.shown(folder)}")
    print("ready for the next reader; an open notebook must be loaded again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
