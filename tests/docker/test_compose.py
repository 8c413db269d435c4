"""docker/compose.yaml: the very container that the `docker run` line starts, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from inf2lab import ModelFolder, Server, Settings, write_properties

# An option of `docker run` and the key of a service that says the same.
KEYS = {"--device": "devices", "-p": "ports", "-v": "volumes", "-u": "user", "-e": "environment", "--label": "labels"}
KEYS |= {"--name": "container_name", "--restart": "restart", "--init": "init"}


def of_command(words: list[str]) -> dict[str, object]:
    """What a `docker run --detach` line says, under the keys of a compose file."""
    image, command = words[-2:]
    said: dict[str, object] = {"image": image, "command": command}
    rest = iter(words[3:-2])
    for option in rest:
        key = KEYS[option]
        if option == "--init":
            said[key] = True
        elif key in ("devices", "ports", "volumes"):
            said.setdefault(key, []).append(next(rest))
        elif key in ("environment", "labels"):
            name, equals, value = next(rest).partition("=")
            said.setdefault(key, {})[name] = value if equals else None
        else:
            said[key] = next(rest)
    return said


def of_file(path: Path, clone: Path) -> dict[str, object]:
    """The one service of a compose file, with its paths as Docker makes them of the folder it is in."""
    (service,) = yaml.safe_load(path.read_text())["services"].values()
    service["volumes"] = [word.replace("../", f"{clone}/", 1) for word in service["volumes"]]
    service["devices"] = [host for host, inside in (word.split(":") for word in service["devices"]) if host == inside]
    service["labels"] = {name: value.replace("${PWD}", str(clone)) for name, value in service["labels"].items()}
    return service


def test_the_compose_file_says_what_the_command_says(clone: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INF2LAB_DEVICES")
    monkeypatch.setenv("HF_TOKEN", "hf_is_passed_on_by_name")
    folder = ModelFolder.named("opt13b")
    write_properties(folder.properties_path, {"option.tensor_parallel_degree": 2})
    command = Server.of(Settings(lane="inf2")).command()
    assert command[:3] == ["docker", "run", "--detach"]
    assert of_file(root / "docker" / "compose.yaml", clone) == of_command(command)
