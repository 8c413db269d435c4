"""What starts a model folder: `docker run`, compose, Kubernetes and SageMaker files, as containers with variables.

A container of any of them has the options that `docker run` would have: env, device, volume, publish, network, user.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inf2lab.errors import FolderError
from inf2lab.folder.documents import Tree, json_trees, yaml_trees
from inf2lab.folder.environment import Variable, configures
from inf2lab.folder.shell import Words, shell_commands

_FLAGS = re.compile(r"-[itdPq]+|--(?:rm|init|interactive|tty|detach|read-only|publish-all|quiet)")
_SHORT = {"e": "env", "v": "volume", "p": "publish", "u": "user", "w": "workdir", "l": "label", "h": "hostname"}
_SHORT |= {"m": "memory"}
_ASSIGNED = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(\S*)")
_NEURON_RESOURCES = ("aws.amazon.com/neuron", "aws.amazon.com/neurondevice")
_CORE_RESOURCE = "aws.amazon.com/neuroncore"
_SAGEMAKER = (("privileged", "true"), ("volume", ":/opt/ml/model"))  # it maps every device and the folder itself
_CORES_A_DEVICE = 2  # of Inferentia2 and Trainium


@dataclass(frozen=True)
class Container:
    """One container: its image, the options that decide whether DJLServing works, and its variables."""

    command: Words
    image: str
    options: tuple[tuple[str, str], ...]
    variables: tuple[Variable, ...] = ()

    def all(self, *names: str) -> tuple[str, ...]:
        """The values of every option with one of these long names."""
        return tuple(value for name, value in self.options if name in names)

    @property
    def env(self) -> dict[str, str]:
        """Its variables by name."""
        return {variable.name: variable.value for variable in self.variables}

    @property
    def devices(self) -> tuple[int, ...]:
        """Numbers of the Neuron devices as the container sees them."""
        seen = (value.split(":")[1 if ":" in value else 0] for value in self.all("device"))
        return tuple(int(m[1]) for path in seen if (m := re.fullmatch(r"/dev/neuron(\d{1,4})", path)))

    @property
    def privileged(self) -> bool:
        """Whether it sees every device of the machine."""
        return "true" in self.all("privileged")

    def visible(self, chips: int) -> tuple[int, ...]:
        """Return the devices that it sees on a machine of so many."""
        return tuple(range(chips)) if self.privileged else tuple(sorted(set(self.devices)))

    @property
    def on_host_network(self) -> bool:
        """Whether the container shares the host's network."""
        return "host" in self.all("network", "net", "network_mode")

    @property
    def serves(self) -> bool:
        """Whether it may be DJLServing's: by its image, or by a variable that only a model server has."""
        return "djl" in self.image or any(configures(variable.name) for variable in self.variables)


def containers_in(file: str, text: str, beside: Path | None = None) -> tuple[Container, ...]:
    """Return the containers that a file starts; `beside` is the folder in which its --env-file lies. Never raises."""
    suffix = Path(file).suffix
    if suffix in (".yaml", ".yml"):
        return tuple(_of_trees(file, text, yaml_trees(text), beside))
    if suffix == ".json":
        return tuple(_of_trees(file, text, json_trees(text), beside))
    if suffix == ".py":
        return tuple(_of_python(file, text))
    if suffix == ".env" or Path(file).name == ".env":
        whole = Words(file, 1, (), text)
        return (Container(whole, "", (("privileged", "true"),), tuple(_of_env_file(file, text))),)
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


def docker_runs(commands: Iterable[Words], beside: Path | None = None) -> Iterator[Container]:
    """The `docker run` commands among `commands`."""
    known: dict[str, str] = {}
    for command in commands:
        words = list(command.words)
        for word in words:
            if match := _ASSIGNED.fullmatch(word):
                known[match[1]] = match[2]
            elif word != "export":
                break
        for at in range(len(words) - 1):
            if words[at].rsplit("/", 1)[-1] in ("docker", "podman", "nerdctl") and words[at + 1] == "run":
                yield _docker_run(command, words[at + 2 :], known, beside)
                break


def variables_in(words: Iterable[str], file: str) -> tuple[Variable, ...]:
    """Return the variables that further words for `docker run` give, as in "-e OPTION_DTYPE=fp16"."""
    options = _options(list(words))[0]
    return tuple(_variable(text, file, 1, {}) for name, text in options if name == "env")


def _options(words: list[str]) -> tuple[list[tuple[str, str]], str]:
    """Return options and image of the words after `docker run`."""
    options: list[tuple[str, str]] = []
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        at += 1
        if word in ("--privileged", "--privileged=true"):
            options.append(("privileged", "true"))
        if _FLAGS.fullmatch(word) or word.startswith("--privileged"):
            continue
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")
        else:
            name, value = _SHORT.get(word[1:2], word[1:2]), word[2:]
            given = value
        if not given and at < len(words):
            value = words[at]
            at += 1
        options.append((name, value))
    return options, words[at] if at < len(words) else ""


def _docker_run(command: Words, words: list[str], known: dict[str, str], beside: Path | None) -> Container:
    options, image = _options(words)
    found = [
        _variable(text, command.file, command.line_of(text.partition("=")[0]), known)
        for name, text in options
        if name == "env"
    ]
    for name, place in options:
        if name == "env-file":
            found += _env_file(place, beside)
    return Container(command, _resolved(image, known)[0], tuple(options), tuple(found))


def _variable(text: str, file: str, line: int, known: dict[str, str]) -> Variable:
    name, given, value = text.partition("=")
    value, sure = _resolved(value, known)
    return Variable(name, value, file, line, known=bool(given) and sure)


def _resolved(value: str, known: dict[str, str]) -> tuple[str, bool]:
    """Return the text with $NAME and ${NAME:-default} filled in, and whether all of them were known."""
    sure = True

    def fill(match: re.Match[str]) -> str:
        nonlocal sure
        found = known.get(match[1] or match[3], match[2])
        sure &= found is not None
        return found or ""

    filled = re.sub(r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)", fill, value)
    return (filled if sure else value), sure and "$(" not in value and "`" not in value


def _env_file(place: str, beside: Path | None) -> list[Variable]:
    path = (beside or Path()) / place
    try:
        return list(_of_env_file(place, path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return []


def _of_env_file(file: str, text: str) -> Iterator[Variable]:
    """Lines of NAME=VALUE as Docker reads them: quotes are part of the value."""
    for number, line in enumerate(text.splitlines(), 1):
        name, given, value = line.strip().partition("=")
        if name and not name.startswith("#"):
            yield Variable(name.removeprefix("export ").strip(), value, file, number, known=bool(given))


def _of_trees(file: str, text: str, trees: Iterable[Any], beside: Path | None) -> Iterator[Container]:
    trees, whole = list(trees), Words(file, 1, (), text)
    maps = {
        str(tree.get("metadata", {}).get("name")): tree.get("data")
        for tree in trees
        if isinstance(tree, dict) and tree.get("kind") == "ConfigMap" and isinstance(tree.get("metadata"), dict)
    }
    for tree in trees:
        services = tree.get("services") if isinstance(tree, dict) else None
        if isinstance(services, dict) and "kind" not in tree:
            for service in services.values():
                if isinstance(service, Tree):
                    yield _of_compose(whole, service, beside)
        else:
            yield from _of_objects(whole, tree, maps)


def _of_compose(whole: Words, service: Tree, beside: Path | None) -> Container:
    given = service.get("environment")
    found = list(_named_values(whole, given)) if isinstance(given, Tree) else []
    if isinstance(given, list):
        found += [_variable(str(one), whole.file, whole.line_of(str(one)), {}) for one in given]
    files = service.get("env_file") or []
    for place in files if isinstance(files, list) else [files]:
        found += _env_file(str(place.get("path", "") if isinstance(place, dict) else place), beside)
    kinds = {"devices": "device", "ports": "publish", "volumes": "volume"}
    options = [
        (name, str(one)) for key, name in kinds.items() for one in service.get(key) or () if not isinstance(one, dict)
    ]
    options += [(key, str(service[key])) for key in ("privileged", "network_mode", "user") if key in service]
    image, _ = _resolved(str(service.get("image", "")), {})
    return Container(_from(whole, service), image, tuple(options), tuple(found))


def _of_objects(whole: Words, node: Any, maps: dict[str, Any]) -> Iterator[Container]:
    """Containers of Kubernetes and of SageMaker, wherever they stand in a document."""
    if isinstance(node, Tree):
        if isinstance(given := node.get("Environment"), Tree) and any(map(configures, given)):
            found = tuple(_named_values(whole, given))
            yield Container(_from(whole, node), str(node.get("Image", "")), _SAGEMAKER, found)
        elif "image" in node and ("env" in node or "envFrom" in node or "resources" in node):
            yield _of_kubernetes(whole, node, maps)
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _of_objects(whole, child, maps)


def _of_kubernetes(whole: Words, node: Tree, maps: dict[str, Any]) -> Container:
    found = []
    for one in node.get("env") or ():
        if isinstance(one, Tree) and "name" in one:
            value = one.get("value")
            found.append(Variable(str(one["name"]), str(value or ""), whole.file, one.line, known=value is not None))
    for one in node.get("envFrom") or ():
        name = one.get("configMapRef", {}).get("name") if isinstance(one, dict) else None
        data = maps.get(str(name))
        found += _named_values(whole, data) if isinstance(data, Tree) else ()
    options = [("device", f"/dev/neuron{number}") for number in range(_kubernetes_devices(node))]
    options += [
        ("volume", f":{one.get('mountPath', '')}") for one in node.get("volumeMounts") or () if isinstance(one, dict)
    ]
    context = node.get("securityContext")
    if isinstance(context, dict) and str(context.get("privileged")).lower() == "true":
        options.append(("privileged", "true"))
    return Container(_from(whole, node), str(node["image"]), tuple(options), tuple(found))


def _kubernetes_devices(node: Tree) -> int:
    resources = node.get("resources")
    for kind in ("limits", "requests"):
        asked = resources.get(kind) if isinstance(resources, dict) else None
        for name, count in (asked or {}).items() if isinstance(asked, dict) else ():
            number = int(count) if str(count).isdecimal() else 0
            if name in _NEURON_RESOURCES:
                return number
            if name == _CORE_RESOURCE:
                return -(-number // _CORES_A_DEVICE)
    return 0


def _named_values(whole: Words, given: Tree) -> Iterator[Variable]:
    for name, value in given.items():
        known = not isinstance(value, dict | list) and value is not None
        text, sure = _resolved("" if value is None else str(value), {})
        yield Variable(str(name), text, whole.file, given.lines[name], known=known and sure)


def _from(whole: Words, node: Tree) -> Words:
    lines = whole.text.splitlines(keepends=True)
    return Words(whole.file, node.line, (), "".join(lines[node.line - 1 :]))


def _of_python(file: str, text: str) -> Iterator[Container]:
    """Dictionaries of a script that configure a model, as `env=` of SageMaker's Model has them."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Dict):
            continue
        pairs = [
            (key, value) for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)
        ]
        if not any(isinstance(key.value, str) and configures(key.value) for key, _ in pairs):
            continue
        found = tuple(
            Variable(str(key.value), _literal(value), file, key.lineno, known=isinstance(value, ast.Constant))
            for key, value in pairs
        )
        yield Container(Words(file, node.lineno, (), text), "", _SAGEMAKER, found)


def _literal(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else ""
    return value if isinstance(value, str) else json.dumps(value, default=str)
