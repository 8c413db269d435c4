"""What starts a model folder: `docker run`, compose, Kubernetes and SageMaker files, as containers with variables."""

from collections.abc import Iterable
from pathlib import Path

from inf2lab.errors import FolderError
from inf2lab.folder.container import Container
from inf2lab.folder.docker_words import docker_runs, of_env_file
from inf2lab.folder.documents import json_trees, yaml_trees
from inf2lab.folder.environment import Variable
from inf2lab.folder.manifests import of_python, of_trees
from inf2lab.folder.shell import Words, shell_commands


def containers_in(file: str, text: str, beside: Path | None = None) -> tuple[Container, ...]:
    """Return the containers that a file starts; `beside` is the folder in which its --env-file lies. Never raises."""
    suffix = Path(file).suffix
    if suffix in (".yaml", ".yml"):
        return tuple(of_trees(file, text, yaml_trees(text), beside))
    if suffix == ".json":
        return tuple(of_trees(file, text, json_trees(text), beside))
    if suffix == ".py":
        return tuple(of_python(file, text))
    if suffix == ".env" or Path(file).name == ".env":
        whole = Words(file, 1, (), text)
        return (Container(whole, "", (("privileged", "true"),), tuple(of_env_file(file, text))),)
    return tuple(docker_runs(shell_commands(file, text), beside))


def variables_of(files: Iterable[Path]) -> tuple[Variable, ...]:
    """Return the variables of the one container that the files start.

    Raises FolderError for a file that cannot be read, and where several containers differ in their variables.
    """
    found: dict[tuple[tuple[str, str], ...], tuple[Path, tuple[Variable, ...]]] = {}
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise FolderError(file, f"cannot be read ({error.strerror})") from error
        serving = [one for one in containers_in(file.name, text, file.parent) if one.serves]
        found |= {tuple(one.env.items()): (file, one.variables) for one in serving}
    if len(found) > 1:
        reason = f"{len(found)} containers with other variables each: give a file that starts one of them"
        raise FolderError(list(found.values())[-1][0], reason)
    return next((variables for _, variables in found.values()), ())
