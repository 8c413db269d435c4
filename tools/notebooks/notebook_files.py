"""What the notebook tools share: where notebooks are, their parameters, their kernel, how a failure reads."""

from __future__ import annotations

import ast
import difflib
import os
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml
from ipykernel import kernelspec as ipykernel_spec
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode

from inf2lab import paths
from inf2lab.files import write_file

ROOT = paths.root()
NOTEBOOKS = ROOT / "notebooks"
SOURCES = NOTEBOOKS / "source"
CLEAN_UP = "99"  # number of the notebook that stops what the others started

_NAME = re.compile(r"\d\d_\w+")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_NOT_RUN = "The cells after this one were not run: a cell must not exit."
_LAUNCHED = "import runpy; runpy.run_module('ipykernel_launcher', run_name='__main__')"
_SCALARS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


class NotebookToolError(Exception):
    """Base of what a person can get wrong with these tools; the text says what to do."""


@dataclass(frozen=True)
class Parameter:
    """One annotated scalar of a notebook's `parameters` cell."""

    name: str
    type_name: str
    default: Any

    def parse(self, text: str) -> Any:
        """The value that `text` means here; raises NotebookToolError when it is of another type."""
        if self.type_name == "str":  # never guessed: `-p name 08` is a text here
            return text
        value = yaml.safe_load(text)
        if self.type_name == "float" and type(value) is int:
            value = float(value)
        if type(value) is not _SCALARS[self.type_name]:
            raise NotebookToolError(
                f"-p {self.name} {text}: {self.name} must be {self.type_name}; "
                f"give it like its default, `-p {self.name} {self.default}`"
            )
        return value


@dataclass(frozen=True)
class Failure:
    """Where an executed notebook stopped; `message` is the error, which in inf2lab names rule and remedy."""

    cell: str
    source: str
    message: str
    traceback: str

    def text(self, *, error_lines: int = 12) -> str:
        """The failing cell's source and the last lines of its error, indented for a terminal."""
        last = "\n".join(self.traceback.rstrip().splitlines()[-error_lines:])
        return "\n".join(
            [
                f"  cell {self.cell}:",
                textwrap.indent(self.source.rstrip(), "    | ", lambda _: True),
                "  error (last lines):",
                textwrap.indent(last, "    | ", lambda _: True),
            ]
        )


def find_notebooks(folder: Path, names: list[str], *, suffix: str = ".ipynb") -> list[Path]:
    """The files NN_name of `folder` in reading order, or those that `names` choose (`04` or `04_name`).

    Raises NotebookToolError when there is none or a name fits none.
    """
    files = sorted(path for path in folder.glob(f"*{suffix}") if _NAME.fullmatch(path.stem))
    if not files:
        raise NotebookToolError(
            f"no notebooks named NN_name{suffix} in {paths.shown(folder)}; build them with `make notebooks`"
        )
    if not names:
        return files
    wanted = [Path(name).name.removesuffix(".ipynb").removesuffix(".py") for name in names]
    for name in wanted:
        if not any(_fits(path, name) for path in files):
            have = ", ".join(path.stem for path in files)
            raise NotebookToolError(f"no notebook fits {name!r} in {paths.shown(folder)}; choose from: {have}")
    return [path for path in files if any(_fits(path, name) for name in wanted)]


def _fits(path: Path, name: str) -> bool:
    return name in (path.stem, path.stem[:2]) or name.zfill(2) == path.stem[:2]  # 6 is 06


def is_clean_up(path: Path) -> bool:
    """Whether this is the notebook that stops what the others started."""
    return path.name.startswith(f"{CLEAN_UP}_")


def title_of(notebook: NotebookNode) -> str:
    """The first heading of the notebook, or an empty text."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return ""


def tags_of(cell: NotebookNode) -> list[str]:
    """The cell's tags, in their order."""
    return list(cell.metadata.get("tags", []))


def parameters_of(notebook: NotebookNode) -> dict[str, Parameter]:
    """The annotated scalars `name: int = 2` of the cell tagged `parameters`, by name.

    Raises NotebookToolError when that cell holds anything else.
    """
    source = next((c.source for c in notebook.cells if c.cell_type == "code" and "parameters" in tags_of(c)), "")
    found: dict[str, Parameter] = {}
    for node in ast.parse(source).body:
        try:
            if not isinstance(node, ast.AnnAssign) or node.value is None:
                raise ValueError("not an annotated assignment")
            name, type_name, default = (
                ast.unparse(node.target),
                ast.unparse(node.annotation),
                ast.literal_eval(node.value),
            )
            if type(default) is not _SCALARS.get(type_name):
                raise ValueError("not a plain int, float, bool or str")
        except (ValueError, TypeError) as error:
            raise NotebookToolError(
                f"parameters cell: `{ast.unparse(node)}` is {error}; write `name: int = 2`"
            ) from error
        found[name] = Parameter(name, type_name, default)
    return found


def parse_parameters(pairs: list[tuple[str, str]], declared: dict[str, Parameter]) -> dict[str, Any]:
    """The typed values of `-p NAME VALUE` pairs; raises NotebookToolError on a name that is not declared."""
    values: dict[str, Any] = {}
    for name, text in pairs:
        if name not in declared:
            close = difflib.get_close_matches(name, declared, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise NotebookToolError(
                f"-p {name} {text}: no notebook has a parameter {name!r}; "
                f"{hint}choose from: {', '.join(sorted(declared))}"
            )
        values[name] = declared[name].parse(text)
    return values


def failure_of(notebook: NotebookNode, error: BaseException | None = None) -> Failure | None:
    """The cell at which an executed notebook stopped, or None when every code cell ran to its end.

    Also finds what the runners let pass: `sys.exit(0)`, after which the remaining cells are never run.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    ending = str(error).splitlines()[0] if isinstance(error, TimeoutError) else ""
    for cell in cells:
        for output in cell.outputs:
            if output.output_type == "error":
                if output.ename == "SystemExit":
                    ending = _NOT_RUN
                said = "\n".join(output.traceback) or f"{output.ename}: {output.evalue}"
                short = f"{output.ename}: {output.evalue}"
                return Failure(_label(cell), cell.source, ending or short, _ANSI.sub("", said))
    if error is None and all(cell.execution_count is not None for cell in cells):
        return None
    stopped = ([cell for cell in cells if _was_started(cell)] or cells)[-1]
    message = f"{type(error).__name__}: {error}" if error else _NOT_RUN
    return Failure(_label(stopped), stopped.source, message, message)


def _was_started(cell: NotebookNode) -> bool:
    # A kernel that dies at once leaves no execution count; papermill has noted the time before.
    return cell.execution_count is not None or bool(cell.metadata.get("papermill", {}).get("start_time"))


def _label(cell: NotebookNode) -> str:
    injected = "injected-parameters" in tags_of(cell)
    return "with the parameters that were passed" if injected else str(cell.get("id", "?"))


class _OwnInterpreter(KernelSpecManager):
    """Every kernel name means ipykernel of this interpreter, whatever kernels the user has installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        told = ipykernel_spec.get_kernel_dict()
        if warm := os.environ.get("WARM_KERNELS"):  # of tests: tools/warm_kernel.py
            told["argv"] = [warm, "-c", _LAUNCHED, *told["argv"][told["argv"].index("-f") :]]
        return KernelSpec(resource_dir=ipykernel_spec.RESOURCES, **told)


def kernel_class(log: Path) -> type[AsyncKernelManager]:
    """A kernel manager for nbclient: this interpreter, its commands on PATH, its stderr in `log`."""

    class LoggedKernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(kernel_spec_manager=_OwnInterpreter(), **options)

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            with log.open("ab") as stream:
                await super().start_kernel(env=kernel_environment(), stderr=stream, **options)

    return LoggedKernel


def kernel_environment() -> dict[str, str]:
    """The environment of a kernel: as here, with this interpreter's commands (`inf2lab`) first on PATH."""
    commands = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([commands, os.environ.get("PATH", "")])}


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in `path`; raises NotebookToolError when it is not one."""
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise NotebookToolError(f"{paths.shown(path)} is not a notebook: {error}") from error


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Writes `path` whole or not at all, so that an interrupted build leaves the last good notebook."""
    write_file(path, nbformat.writes(notebook) + "\n")
