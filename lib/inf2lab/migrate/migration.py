"""A folder on its way to a successor: every verdict, and the files that start the new server and ask it."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inf2lab import catalog, paths
from inf2lab.errors import FolderError, SettingsError
from inf2lab.files import make_folder
from inf2lab.folder import Container, Migrated, ModelFolder, Needs, Variable, merge
from inf2lab.lint import Folder, read_folder
from inf2lab.migrate import keys
from inf2lab.migrate.clients import client_files
from inf2lab.migrate.fit import rule_rows
from inf2lab.migrate.gate import gate, gate_rows
from inf2lab.migrate.launch import Launch, launch
from inf2lab.migrate.moves import move_rows
from inf2lab.migrate.outputs import command, start_files
from inf2lab.migrate.report import as_json, page
from inf2lab.migrate.requests import Translated, request_rows, translate
from inf2lab.migrate.row import Row, lost
from inf2lab.migrate.state import State
from inf2lab.settings import Settings


@dataclass(frozen=True)
class Migration:
    """What becomes of a folder. `sections` are the rows of the report; of `ok` nothing in use is lost."""

    state: State
    launch: Launch
    sections: Mapping[str, tuple[Row, ...]]
    requests: tuple[Translated, ...]
    nearest: tuple[str, ...]  # where the model is not served: what else a reader can do

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row, in the report's order."""
        return tuple(row for rows in self.sections.values() for row in rows)

    @property
    def lost(self) -> tuple[Row, ...]:
        """What is in use and has no successor."""
        return tuple(lost(self.rows))

    @property
    def ok(self) -> bool:
        """Whether everything in use has a successor."""
        return not self.lost

    @property
    def title(self) -> str:
        """From where to where."""
        state = self.state
        where = paths.shown(state.needs.folder.path)
        return (
            f"{where} ({state.stated.profile.name}) to {state.target.name}: {state.image_name}, vLLM {state.image.vllm}"
        )

    @property
    def command(self) -> str:
        """The script that starts the new server."""
        return command(self.state, self.launch)

    def as_dict(self) -> dict[str, Any]:
        """Return the whole report for JSON."""
        return as_json(self)

    def files(self) -> dict[str, str]:
        """Return {path: text} of all that `write` writes."""
        report = {"report.json": as_json(self, text=True), "report.html": page(self)}
        return start_files(self.state, self.launch) | client_files(self.state, self.requests) | report

    def write(self, out: Path) -> list[Path]:
        """Write everything into a new folder, whole or not at all.

        Raises SettingsError where there is something, where this program stands, and where no folder can be made.
        """
        place, files = paths.real(out), self.files()
        try:
            if os.path.lexists(place) and (not place.is_dir() or any(place.iterdir())):
                raise SettingsError("out", out, "is there already, and is not written over: name a new folder")
            if place == paths.real("."):
                raise SettingsError("out", out, "is where you stand, and would be another folder then: name a new one")
            with make_folder(place) as folder:
                for name, text in files.items():
                    path = folder / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SettingsError("out", out, f"no folder can be made there ({error.strerror}): name another") from error
        return [out / name for name in files]


def migrate(
    folder: Path | str,
    *,
    to: str,
    image: str = "",
    on: str = "",
    files: Iterable[Path | str] = (),
    settings: Settings | None = None,
) -> Migration:
    """Return what becomes of a model folder on a successor; `files` start the old server, or are requests to it.

    `image` is a tag of the target's images, or a whole name that ends with one; `on` the new server's instance, such as
    trn2.48xlarge, the old one's unless it is named. Raises FolderError for a folder or a
    value that cannot be read, SettingsError for an unknown target, image, profile or instance.
    """
    target, given = catalog.successor(to), [Path(file) for file in files]
    aim, place = settings or Settings(), Path(folder).resolve()
    if Migrated.is_in(place):
        raise FolderError(place, "`inf2lab migrate` wrote it: migrate the folder that it came from, or lint this one")
    old = ModelFolder(place).check()
    read = read_folder(place, aim, given)
    container = _started(read, given)
    variables = container.variables if container else ()
    needs = Needs(aim, old, variables)
    state = State(
        stated=_told(read, variables),
        needs=needs,
        target=target,
        image=catalog.successor_image(target, image),
        host=catalog.successor_host(on or aim.instance),
        own_image=image,
        container=container,
    )
    needs.check()
    return Migration(
        state=state,
        launch=launch(state),
        sections={name: tuple(rows) for name, rows in _sections(state).items()},
        requests=tuple(one for request in state.stated.all_requests for one in translate(state, request)),
        nearest=gate(state).nearest,
    )


def _started(read: Folder, given: Sequence[Path]) -> Container | None:
    """The container that the given files start, else the folder's own; raises FolderError for several.

    Of mounts only what the model's name leads to makes two of them.
    """
    named = {str(file) for file in given} | {file.name for file in given if file.parent == read.path}
    serving = list(read.serving)
    counted = [one for one in serving if one.command.file in named] or serving
    found = {(tuple(one.env.items()), one.on_host(_told(read, one.variables).meant or "")): one for one in counted}
    if len(found) > 1:
        reason = f"{len(found)} containers with other variables or mounts each: give a file that starts one of them"
        raise FolderError(counted[-1].command.file, reason)
    return next(iter(found.values()), None)


def _told(read: Folder, variables: tuple[Variable, ...]) -> Folder:
    """The folder, told what a container's variables add."""
    return replace(read, properties=merge(read.properties, variables, read.release))


def _sections(state: State) -> dict[str, Iterator[Row]]:
    def said() -> Iterator[Row]:
        yield from keys.key_rows(state)
        yield from keys.file_rows(state)
        yield from keys.variable_rows(state)

    return {
        "the model": gate_rows(state),
        "what the folder says": said(),
        "what it leaves unsaid": keys.default_rows(state),
        "the requests": (row for one in state.stated.all_requests for row in request_rows(state, one)),
        "the target's rules": rule_rows(state),
        "what moves in any case": move_rows(state),
    }
