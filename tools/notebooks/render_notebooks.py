"""Renders the notebooks to HTML, as a reader without Jupyter sees them, and to pictures where a Chromium is installed.

python tools/notebooks/render_notebooks.py [NAME...] [--source DIR] [--out DIR] [--screenshot] [--theme both]
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

from nbconvert import HTMLExporter
from PIL import Image, ImageChops

from inf2lab import paths
from notebook_files import NOTEBOOKS, NotebookToolError, find_notebooks, read_notebook, title_of

DRAWN = re.compile(r'src="(\.\./[^"]+\.svg)"')
THEMES = ("light", "dark")
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def render(path: Path, out: Path, *, theme: str = "light") -> Path:
    """Writes one notebook as a page of its own into `out`, the files of its pictures within it; returns the page."""
    notebook = read_notebook(path)
    resources = {"metadata": {"name": title_of(notebook) or path.stem}}  # the page's title
    html, _ = HTMLExporter(theme=theme).from_notebook_node(notebook, resources)
    page = out / f"{path.stem}{'-dark' * (theme == 'dark')}.html"
    page.write_text(DRAWN.sub(lambda found: f'src="{_data_url(path.parent / found[1])}"', html), encoding="utf-8")
    return page


def _data_url(picture: Path) -> str:
    """The picture as an address: nbconvert embeds no file above the notebook's folder, and then ends a fold early."""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.read_bytes()).decode('ascii')}"


def find_browser() -> str | None:
    """The first Chromium that can be started, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def screenshot(browser: str, page: Path, *, width: int, height: int) -> Path:
    """A PNG of the page, up to `height` pixels, beside it; raises NotebookToolError when the browser fails."""
    picture = page.with_suffix(".png")
    command = [browser, "--headless", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},{height}"]
    command.append("--host-resolver-rules=MAP * ~NOTFOUND")  # a page must not wait for MathJax on another machine
    if os.geteuid() == 0:  # Chromium refuses its sandbox to root, as in a container
        command.append("--no-sandbox")
    command += [f"--screenshot={picture}", page.resolve().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode or not picture.exists():
        raise NotebookToolError(f"{browser} made no picture of {paths.shown(page)}: {done.stderr.strip()[-300:]}")
    _cut_off_blank_end(picture)
    return picture


def _cut_off_blank_end(picture: Path) -> None:
    with Image.open(picture) as image:
        page = image.convert("RGB")
    blank = Image.new("RGB", page.size, page.getpixel((0, page.height - 1)))
    written = ImageChops.difference(page, blank).getbbox()
    if written:
        page.crop((0, 0, page.width, min(page.height, written[3] + 40))).save(picture)


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when all was rendered, 2 when it could not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks to render; all when none is given")
    parser.add_argument("--source", type=Path, default=NOTEBOOKS, help="folder of the notebooks")
    parser.add_argument("--out", type=Path, help="folder for the pages (logs/html)")
    parser.add_argument("--screenshot", action="store_true", help="also make a PNG of each page")
    parser.add_argument("--theme", choices=(*THEMES, "both"), default="light", help="JupyterLab's, light by default")
    parser.add_argument("--width", type=int, default=1280, help="of the picture, in pixels")
    parser.add_argument("--height", type=int, default=16000, help="at most, in pixels")
    options = parser.parse_args(arguments)
    out = options.out or paths.logs() / "html"
    out.mkdir(parents=True, exist_ok=True)
    try:
        browser = find_browser() if options.screenshot else None
        if options.screenshot and browser is None:
            raise NotebookToolError("--screenshot needs a Chromium or Chrome on PATH; leave it out for HTML only")
        themes = THEMES if options.theme == "both" else (options.theme,)
        for path, theme in product(find_notebooks(options.source, options.names), themes):
            page = render(path, out, theme=theme)
            print(paths.shown(page))
            if browser:
                print(paths.shown(screenshot(browser, page, width=options.width, height=options.height)))
    except NotebookToolError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
