"""A launch as the files that start it: a command, compose, a Kubernetes manifest, and what SageMaker is given."""

from __future__ import annotations

import json
import math
import shlex
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inf2lab import catalog
from inf2lab.folder import MIGRATED, MODEL_STORE, Migrated, properties_text
from inf2lab.migrate.launch import MODEL, Launch, Mount
from inf2lab.migrate.requests import sampling
from inf2lab.migrate.state import State
from inf2lab.serving import bridge_file

if TYPE_CHECKING:
    from inf2lab.scale import Document

TEMPLATE = Path(__file__).with_name("manifests") / "server.yaml"
CAPABILITIES = ("SYS_ADMIN", "IPC_LOCK")
GPU = "nvidia.com/gpu"
PROBE_S = 15


def start_files(state: State, made: Launch) -> dict[str, str]:
    """Return {path: text} of everything that starts the target."""
    from inf2lab.scale import Document, as_text

    served = migrated(state, made)
    files = {
        "command.sh": command(state, made),
        "compose.yaml": as_text([Document("Start it with `docker compose up`.", compose(state, made))]),
        "kubernetes.yaml": as_text(manifest(state, made)),
        "sagemaker.json": json.dumps(sagemaker(state, made), indent=2) + "\n",
        MIGRATED: served.text,
    }
    if made.devices:
        files["bridge/bridge.py"] = bridge_file().read_text(encoding="utf-8")
    if made.properties:
        files[f"{state.name}/serving.properties"] = properties_text(made.properties)
    elif not state.target.sage:
        files["sagemaker/Dockerfile"] = _derived(state, made)
    return files


def migrated(state: State, made: Launch) -> Migrated:
    """Return what `inf2lab serve` reads of the new folder; without words where `vllm serve` is not what starts it."""
    here = {mount.inside: mount.host for mount in made.mounts}
    by_vllm = made.words[:2] == ("vllm", "serve")
    drawn = sampling({}, state.sampled) | {"end_forbidden": state.end_forbidden}
    return Migrated(
        name=state.name,
        target=state.target.name,
        model_id=state.model_id,
        words=[here.get(word, word) for word in made.words[2:]] if by_vllm else [],
        sampling=drawn | ({"stream": True} if state.stated.shape == "builtin-stream" else {}),
        shape=state.stated.shape,
        rows=state.rows,
        loading_s=state.needs.loading_s,
        client_s=state.needs.client_s,
        image=state.image_name,
        devices=made.devices,
        options=[word for group in _options(made) for word in group],
        mounts=[mount.text for mount in made.mounts],
        arguments=list(made.arguments),
        health=state.target.health,
    )


def _options(made: Launch) -> list[list[str]]:
    """What `docker run` is told beside devices, ports and folders, in groups that belong on one line."""
    machine = [["--cap-add", name] for name in CAPABILITIES] if made.devices else [["--gpus", "all"]]
    machine += [] if made.devices else [["--shm-size", "12g"]]
    return machine + [["-e", name if value is None else f"{name}={value}"] for name, value in made.environment.items()]


def command(state: State, made: Launch) -> str:
    """Return a script with the one `docker run` that starts the server."""
    groups = [
        ["docker", "run", "--rm", "--name", f"inf2lab-{state.name}"],
        ["-p", f"127.0.0.1:{made.port}:{made.port}"],
    ]
    groups += [[f"--device=/dev/neuron{number}"] for number in range(made.devices)]
    groups += _options(made)
    lines = [shlex.join(group) for group in groups]
    lines += [f"-v {_from_here(mount)}" for mount in made.mounts]
    lines += [shlex.join([state.image_name]), *_argument_lines(made)]
    return "#!/bin/sh\n" + 'cd "$(dirname "$0")" || exit 2\n' + " \\\n  ".join(lines) + "\n"


def _argument_lines(made: Launch) -> list[str]:
    """The words after the image, a flag and its value on one line."""
    lines: list[list[str]] = []
    for word in made.arguments:
        if not lines or word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return [shlex.join(line) for line in lines]


def _from_here(mount: Mount) -> str:
    here = mount.host.startswith("./")
    return f'"$PWD/{mount.text.removeprefix("./")}"' if here else shlex.quote(mount.text)


def compose(state: State, made: Launch) -> dict[str, Any]:
    """Return the compose file as an object."""
    named = [name if value is None else f"{name}={_plain(value)}" for name, value in made.environment.items()]
    service: dict[str, Any] = {"image": state.image_name}
    service |= {"command": [_plain(word) for word in made.arguments]} if made.arguments else {}
    service |= {"ports": [f"127.0.0.1:{made.port}:{made.port}"], "environment": named}
    service |= {"volumes": [_plain(mount.text) for mount in made.mounts]}
    if made.devices:
        service |= {
            "devices": [f"/dev/neuron{number}" for number in range(made.devices)],
            "cap_add": list(CAPABILITIES),
        }
    else:
        gpus = [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
        service |= {"shm_size": "12g", "deploy": {"resources": {"reservations": {"devices": gpus}}}}
    return {"services": {state.name: service}}


def _plain(text: str) -> str:
    """A text in which compose finds no variables of its own."""
    return text.replace("$", "$$")


def manifest(state: State, made: Launch) -> list[Document]:
    """Return the Kubernetes objects."""
    from inf2lab.scale import Document, fill_in

    name, facts = state.kubernetes_name, catalog.kubernetes_facts()
    copies = "1 copy" if state.copies == 1 else f"{state.copies} copies"
    pods = max(1, min(state.copies, state.host.chips // made.devices)) if made.devices else 1
    if made.devices and pods < state.copies:
        copies += f"; of pods, which take whole devices, it holds {pods}"
    on_neuron, loading_s = bool(made.devices), state.needs.loading_s
    documents = fill_in(
        TEMPLATE,
        {
            "name": name,
            "model": state.name,
            "title": state.target.title,
            "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "inf2lab"},
            "replicas": pods,
            "copies": copies,
            "image": state.image_name,
            "arguments": list(made.arguments) or None,
            "port": made.port,
            "environment": [_variable(state, *pair) for pair in made.environment.items()],
            "device": facts.device_resource if on_neuron else GPU,
            "devices": str(made.devices or 1),
            "node": {"node.kubernetes.io/instance-type": state.host.name} if _same(state) else None,
            "capabilities": {"add": list(CAPABILITIES)} if on_neuron else {"drop": ["ALL"]},
            "health": state.target.health,
            "loading_s": loading_s,
            "startup_failures": math.ceil(loading_s / PROBE_S),
            "mounts": [_volume_mount(mount) for mount in made.mounts],
            "volumes": [_volume(name, mount) for mount in made.mounts],
        },
    )
    if made.properties:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-folder"}}
        data = {"data": {"serving.properties": properties_text(made.properties)}}
        documents.append(Document("The new model folder.", body | data))
    return documents


def _same(state: State) -> bool:
    return state.host.family in state.target.families


def _variable(state: State, name: str, value: str | None) -> dict[str, Any]:
    if value is not None:
        return {"name": name, "value": value}
    secret = ("huggingface", "token") if name == "HF_TOKEN" else (f"{state.kubernetes_name}-secrets", name)
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret[0], "key": secret[1]}}}


def _volume_mount(mount: Mount) -> dict[str, Any]:
    found: dict[str, Any] = {"name": mount.name, "mountPath": mount.inside}
    return found | ({"readOnly": True} if mount.read_only else {})


def _volume(name: str, mount: Mount) -> dict[str, Any]:
    """Weights come on a claim that a person fills; the folder is a ConfigMap; the rest ends with the pod."""
    if mount.inside == MODEL_STORE:
        return {"name": mount.name, "configMap": {"name": f"{name}-folder"}}
    if mount.name == "model":
        return {"name": mount.name, "persistentVolumeClaim": {"claimName": f"{name}-model", "readOnly": True}}
    return {"name": mount.name, "emptyDir": {}}


def sagemaker(state: State, made: Launch) -> dict[str, Any]:
    """Return image and variables as CreateModel takes them; an image that reads none is derived from first."""
    image = state.image_name if state.target.sage else f"<derived from {state.image_name} with sagemaker/Dockerfile>"
    return {"Image": image, "Environment": {**_sagemaker_options(state, made), **_sagemaker_own(made)}}


def _sagemaker_options(state: State, made: Launch) -> dict[str, str]:
    found: dict[str, str] = {}
    if not state.target.sage:
        return found
    for key, value in made.properties.items():
        if key == "option.model_id":
            found["HF_MODEL_ID"] = _there(value)
        elif key.startswith("option."):
            found[state.target.sage + key.removeprefix("option.").upper()] = value
    for word, following in pairwise((*made.arguments, "--")):
        if word.startswith("--"):
            name = state.target.sage + word.removeprefix("--").upper().replace("-", "_")
            found[name] = "" if following.startswith("--") else _there(following)
    return found


def _sagemaker_own(made: Launch) -> dict[str, str]:
    """The container's own variables: what it writes goes to its disk, which ends with it."""
    own = made.environment.items()
    return {
        name: f"<{name}>" if value is None else f"/tmp{value}" if value[:1] == "/" else value for name, value in own
    }


def _there(word: str) -> str:
    return MODEL_STORE if word == MODEL else word


def _derived(state: State, made: Launch) -> str:
    words = shlex.join(_there(word) for word in made.words)
    return (
        "# This image reads no variables, and SageMaker starts it with the word `serve`, which its entry point would\n"
        "# run. Here that word becomes the name of the shell. Nobody has tried it on SageMaker.\n"
        f"FROM {state.image_name}\n"
        f"ENTRYPOINT {json.dumps(['/bin/sh', '-c', f'exec {words}'])}\n"
    )
