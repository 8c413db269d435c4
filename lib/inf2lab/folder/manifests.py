"""Containers in documents: compose, Kubernetes, SageMaker's JSON, and a Python script's `env=`."""

import ast
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from inf2lab import catalog
from inf2lab.folder.container import MODEL_STORE, Container
from inf2lab.folder.docker_words import resolved, variable_of, variables_beside
from inf2lab.folder.documents import Tree
from inf2lab.folder.environment import Variable, configures
from inf2lab.folder.shell import Words

_SAGEMAKER = (("privileged", "true"), ("volume", f":{MODEL_STORE}"))  # it maps every device and the folder itself
# A list of a compose service, the option that its entries are, and the parts of one that is written long.
_COMPOSED = {
    "devices": ("device", "source", "target"),
    "ports": ("publish", "host_ip", "published", "target"),
    "volumes": ("volume", "source", "target"),
}


def of_trees(file: str, text: str, trees: Iterable[Any], beside: Path | None) -> Iterator[Container]:
    """The containers of compose, Kubernetes and SageMaker documents."""
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
        found += [variable_of(str(one), whole.file, whole.line_of(str(one)), {}) for one in given]
    files = service.get("env_file") or []
    for place in files if isinstance(files, list) else [files]:
        where = str(place.get("path", "") if isinstance(place, dict) else place)
        found += variables_beside(where, beside, whole.file)
    options = [
        (name, ":".join(str(one[part]) for part in parts if part in one) if isinstance(one, dict) else str(one))
        for key, (name, *parts) in _COMPOSED.items()
        for one in service.get(key) or ()
    ]
    options += [(key, str(service[key])) for key in ("privileged", "network_mode", "user") if key in service]
    image, _ = resolved(str(service.get("image", "")), {})
    arguments = (*_words(service.get("entrypoint")), *_words(service.get("command")))
    return Container(_from(whole, service), image, tuple(options), tuple(found), arguments)


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
        ("volume", f":{one.get('mountPath', '')}{':ro' if str(one.get('readOnly')).lower() == 'true' else ''}")
        for one in node.get("volumeMounts") or ()
        if isinstance(one, dict)
    ]
    context = node.get("securityContext")
    if isinstance(context, dict) and str(context.get("privileged")).lower() == "true":
        options.append(("privileged", "true"))
    arguments = (*_words(node.get("command")), *_words(node.get("args")))
    return Container(_from(whole, node), str(node["image"]), tuple(options), tuple(found), arguments)


def _words(given: object) -> tuple[str, ...]:
    """The words of a command, which compose also takes as one text, with a shell's quotes."""
    if isinstance(given, list):
        return tuple(map(str, given))
    try:
        return tuple(shlex.split(given)) if isinstance(given, str) else ()
    except ValueError:
        return tuple(str(given).split())


def _kubernetes_devices(node: Tree) -> int:
    resources, names = node.get("resources"), catalog.kubernetes_facts()
    for kind in ("limits", "requests"):
        asked = resources.get(kind) if isinstance(resources, dict) else None
        for name, count in (asked or {}).items() if isinstance(asked, dict) else ():
            number = int(count) if re.fullmatch("[0-9]{1,3}", str(count)) else 0
            if name in (names.device_resource, names.device_alias):
                return number
            if name == names.core_resource:
                return -(-number // max(one.cores_per_chip for one in catalog.instances().values()))
    return 0


def _named_values(whole: Words, given: Tree) -> Iterator[Variable]:
    for name, value in given.items():
        known = not isinstance(value, dict | list) and value is not None
        text, sure = resolved("" if value is None else str(value), {})
        yield Variable(str(name), text, whole.file, given.lines[name], known=known and sure)


def _from(whole: Words, node: Tree) -> Words:
    lines = whole.text.splitlines(keepends=True)
    return Words(whole.file, node.line, (), "".join(lines[node.line - 1 :]))


def of_python(file: str, text: str) -> Iterator[Container]:
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
