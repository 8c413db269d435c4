"""The programs of a played Inf2 instance: docker, neuron-ls, neuron-monitor, curl, date, each by its own name.

All are played by one process, which is sent a machine's folder, a program's name and its words. The folder's file
`state.json` says what the machine is; its clock stands still but where a program takes time, and whoever waits moves
it on. It refuses what a real one refuses: the runtime on a driver of another age, a load beyond the host's memory or
its time-out, an image that the registry has no more. Its rates are played: no time of it says anything about the chip.

Words of the refusals: aws-neuron-sdk issue 655 (runtime), deepjavalibrary/djl-serving (server), Docker 27 (engine).
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import select
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

MB, GIB = 10**6, 2**30
START_S, MARGIN_GIB = 20, 2  # of the server; Python and Java beside the weights
SHARD_BYTES = 10**10  # Hugging Face's largest piece of a checkpoint
INCOMPATIBLE = """\
ERROR   NRT:nrt_init                                This Neuron Runtime (compatibility id: 6) is not compatible with \
the installed aws-neuron-dkms package.
ERROR   NRT:nrt_init                                Installed aws-neuron-dkms supports Runtime compatibility id range: \
{range}.
ERROR   NRT:nrt_init                                Please make sure to upgrade to latest aws-neuron-dkms; for \
detailed installation instructions visit Neuron documentation.
"""
State = dict[str, Any]


class Ended(Exception):
    """A program ends with a code, and with what it says on stderr."""

    def __init__(self, code: int, said: str = "") -> None:
        super().__init__(code, said)
        self.code, self.said = code, said


@contextmanager
def machine() -> Iterator[State]:
    """The machine's state, read and written back by one program at a time."""
    path = Path(os.environ["PLAYED_MACHINE"]) / "state.json"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = json.loads(path.read_text())
        try:
            yield state
        finally:
            path.write_text(json.dumps(state))


# --- what a container does, and when


def timeline(state: State, container: State) -> list[tuple[float, str]]:
    """The lines that a container prints, by seconds from its start; the last says how it ends or that it is ready."""
    if not container["model"]:
        return successor_timeline(state, container)
    folder = Path(container["model"])
    stated = read_properties(folder / "serving.properties")
    own = next((path for path in [folder / "model.py"] if path.is_file()), None)
    row = state["models"][stated["option.model_id"]]
    at, lines = (
        float(START_S),
        [(1.0, f"INFO  ModelServer Found model {folder.name}"), (2.0, "INFO  PyProcess Start process: 19000")],
    )
    lines.append((at, "INFO  PyProcess Python engine started."))
    size, layers = 2 * row["parameters"], row["layers"]
    disk, network = state["disk_mb_s"] * MB, state["network_mb_s"] * MB
    weights = cached(container, "hub") / ("models--" + stated["option.model_id"].replace("/", "--"))
    limit_s = int(stated.get("option.model_loading_timeout") or container["env"]["MODEL_LOADING_TIMEOUT"])
    fetched = weights.exists()
    at += 0 if fetched else size / min(disk, network)
    marks = [] if fetched else [(at, weights, size)]
    peak = peak_gib(own, row["parameters"])
    container["peak_gib"] = min(peak, state["host_gib"])
    at += size / disk
    if peak > state["host_gib"]:
        return finish(container, lines, marks, at, limit_s, "killed")
    at += 2 * size / disk if own else 0  # the split copy, written and read
    if refusal := nrt_refusal(state):
        lines += [(at, line) for line in refusal.splitlines()]
        lines.append((at, "RuntimeError: The PyTorch Neuron Runtime could not be initialized."))
        return finish(container, lines, marks, at, limit_s, "refused")
    programs = len([n for n in (128, 256, 512, 1024, 2048) if n <= int(stated.get("option.n_positions", 2048))])
    neff = (
        Path(container["mounts"].get("/var/tmp/neuron-compile-cache", container["layer"])) / "MODULE_0" / "model.neff"
    )
    if not neff.exists():
        lines.append((at, "INFO  PyProcess Call compiler with cmd: neuronx-cc compile"))
        at += programs * layers * state["compile_s"]
        marks.append((at, neff, programs * MB))
    return finish(container, lines, marks, at, limit_s, "ready")


def successor_timeline(state: State, container: State) -> list[tuple[float, str]]:
    """The lines of a successor's server: vLLM's own words, and a refusal of the runtime's."""
    lines = [(1.0, "(EngineCore pid=2) INFO 01-01 00:00:00 [x.py:1] Starting to load model m...")]
    refusal, at = nrt_refusal(state), START_S + 50 * state["compile_s"]
    raised = "RuntimeError: The PyTorch Neuron Runtime could not be initialized."
    said = [*refusal.splitlines(), raised] if refusal else ["(APIServer pid=1) INFO:     Application startup complete."]
    container["end"], container["ends_at"], container["files"] = "refused" if refusal else "ready", at, []
    container["peak_gib"] = MARGIN_GIB
    return lines + [(at, line) for line in said]


def finish(
    container: State, lines: list[tuple[float, str]], marks: list[Any], at: float, limit_s: int, how: str
) -> list[tuple[float, str]]:
    """The lines with their end: ready or not at `at`, unless the server's patience was over before."""
    if at > limit_s:
        lines, at, how = [line for line in lines if line[0] <= limit_s], float(limit_s), "timed out"
    container["files"] = [(when, str(path), size) for when, path, size in marks if when <= at]
    container["end"], container["ends_at"] = how, at
    words = {
        "ready": ["INFO  PyModel opt initialized.", "INFO  ModelServer INFERENCE API bind to: http://0.0.0.0:8080"],
        "killed": ["Killed"],
        "refused": [
            "ERROR ModelServer Failed register workflow",
            "ai.djl.engine.EngineException: Failed to initialize model",
        ],
        "timed out": [
            "ERROR ModelServer Failed register workflow",
            "Caused by: java.util.concurrent.TimeoutException: null",
        ],
    }
    return lines + [(at, word) for word in words[how]]


def peak_gib(own: Path | None, parameters: int) -> float:
    """The host's memory at the worst moment: by the handler's own words, else DJL's handler, which holds f32 twice."""
    if own is None:
        return 8 * parameters / GIB + MARGIN_GIB
    half = re.search(r"torch_dtype\s*=\s*(torch\.(float16|half|bfloat16)|[\"']auto[\"'])", own.read_text())
    shard = min(SHARD_BYTES, 2 * parameters)
    return ((2 if half else 4) * parameters + shard) / GIB + MARGIN_GIB


def nrt_refusal(state: State) -> str:
    """What nrt_init prints on this driver; nothing where it accepts it."""
    if not state["driver"]:
        return "ERROR   NRT:nrt_init                                Unable to read compatible Driver version.\n"
    if state["driver_fits"]:
        return ""
    return INCOMPATIBLE.format(range="8 - 9" if state["driver_is_newer"] else "2 - 4")


def cached(container: State, part: str) -> Path:
    """Where the container's hub keeps downloads, on the host: a mounted folder, or the container's own layer."""
    env = container["env"]
    inside = (
        env.get("TRANSFORMERS_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or f"{env.get('HF_HOME', '/root')}/{part}"
    )
    for place, host in container["mounts"].items():
        if inside.startswith(place) and not container["forgets"]:
            return Path(host + inside.removeprefix(place))
    return Path(container["layer"]) / inside.lstrip("/")


def read_properties(path: Path) -> dict[str, str]:
    """The lines of serving.properties."""
    pairs = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and line[0] != "#")
    return {key.strip(): value.strip() for key, value in pairs}


def look(state: State, container: State) -> str:
    """What a container is doing now: loading, or as its timeline ends; files appear as their time comes."""
    age = state["now"] - container["started"]
    for when, name, size in container["files"]:
        path = Path(name)
        if when <= age and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.truncate(size)
    return container["end"] if age >= container["ends_at"] else "loading"


def find(state: State, name: str) -> State:
    """The container of a name or id."""
    for known, container in state["containers"].items():
        if name in (known, container["id"]):
            return container
    raise Ended(1, f"Error response from daemon: No such container: {name}")


# --- docker


def docker(words: list[str]) -> None:
    """One command of Docker's."""
    with machine() as state:
        name, rest = words[0], words[1:]
        {
            "version": lambda: print("27.3.1"),
            "info": lambda: print(state["folder"]),
            "pull": lambda: docker_pull(state, rest),
            "manifest": lambda: in_registry(state, rest[-1]),
            "image": lambda: docker_image(state, rest),
            "run": lambda: docker_run(state, rest),
            "ps": lambda: docker_ps(state, rest),
            "inspect": lambda: docker_inspect(state, rest),
            "logs": lambda: docker_logs(state, rest),
            "exec": lambda: docker_exec(state, rest),
            "diff": lambda: docker_diff(state, rest),
            "stop": lambda: docker_stop(state, rest),
            "rm": lambda: docker_rm(state, rest),
        }[name]()


def in_registry(state: State, image: str) -> None:
    if image in state["gone"]:
        raise Ended(
            1, f"Error response from daemon: manifest for {image} not found: manifest unknown: manifest unknown"
        )
    print(json.dumps({"schemaVersion": 2}))


def docker_pull(state: State, words: list[str]) -> None:
    image = words[-1]
    if image in state["gone"]:
        raise Ended(
            1, f"Error response from daemon: manifest for {image} not found: manifest unknown: manifest unknown"
        )
    if image not in state["pulled"]:
        state["now"] += state["image_bytes"] / MB / min(state["network_mb_s"], state["disk_mb_s"])
        state["pulled"].append(image)
    print(image)


def docker_image(state: State, words: list[str]) -> None:
    image, form = words[-1], words[2]
    if image.partition("@")[0] not in {one.rpartition(":")[0] for one in state["pulled"]} | set(state["pulled"]):
        raise Ended(1, f"Error: No such image: {image}")
    digest = f"{image.rpartition(':')[0]}@sha256:{'0a' * 32}"
    known = {
        "{{.Id}}": "sha256:0",
        "{{.Size}}": int(state["image_bytes"]),
        "{{json .RepoDigests}}": json.dumps([digest]),
    }
    print(known.get(form, digest))


def docker_run(state: State, words: list[str]) -> None:
    run = read_run(words)
    if run["image"].partition("@")[0] not in {one.rpartition(":")[0] for one in state["pulled"]} | set(state["pulled"]):
        docker_pull(state, [run["image"]])
    missing = [path for path in run["devices"] if not Path(path).exists()]
    if missing:
        said = (
            f'error gathering device information while adding custom device "{missing[0]}": no such file or directory.'
        )
        raise Ended(125, f"docker: Error response from daemon: {said}")
    if not run["detach"]:
        run_once(state, run)
        return
    identity = f"{len(state['containers']) + 1:064x}"
    layer = Path(state["folder"]) / "layers" / identity
    layer.mkdir(parents=True)
    container = {
        **run,
        "id": identity,
        "layer": str(layer),
        "started": state["now"],
        "env": state["image_env"] | run["env"],
        "forgets": state["forgets"],
        "model": next((host for inside, host in run["mounts"].items() if inside.startswith("/opt/ml/model")), ""),
    }
    container["lines"] = timeline(state, container)
    state["containers"][run["name"]] = container
    peak = Path(state["folder"]) / "sys/fs/cgroup/system.slice" / f"docker-{identity}.scope"
    peak.mkdir(parents=True)
    (peak / "memory.peak").write_text(str(int(container["peak_gib"] * GIB)))
    print(identity)


def read_run(words: list[str]) -> State:
    """The options of `docker run` that matter here, the image, and what it is to do."""
    run: State = {"detach": False, "name": "", "devices": [], "mounts": {}, "env": {}, "labels": {}, "entrypoint": ""}
    alone = {"--detach", "--init", "--rm"}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        run["detach"] = run["detach"] or option == "--detach"
        if option in alone:
            continue
        value = rest.pop(0)
        if option == "--device":
            run["devices"].append(value.partition(":")[0])
        elif option == "-v":
            host, inside, *_ = value.split(":")
            run["mounts"][inside] = host
        elif option == "-e":
            key, _, text = value.partition("=")
            run["env"][key] = text
        elif option == "--label":
            key, _, text = value.partition("=")
            run["labels"][key] = text
        elif option in ("--name", "--entrypoint"):
            run[option[2:]] = value
    run["image"], run["words"] = rest[0], rest[1:]
    return run


def run_once(state: State, run: State) -> None:
    """A container that answers one question: a package's version, or whether the runtime starts."""
    program = " ".join(run["words"])
    if run["entrypoint"] == "dpkg-query":
        print(f"{state['runtime']}-0a1b2c3d4", end="")
    elif "nrt_init" in program:
        refusal = nrt_refusal(state)
        print(f"nrt_init={2 if refusal else 0}")
        if refusal:
            raise Ended(1, refusal)
    else:  # the doctor asks for versions of Python's packages
        print(json.dumps({name: state["packages"].get(name, "none") for name in run["words"][2:]}))


def docker_ps(state: State, words: list[str]) -> None:
    key, _, value = words[-1].removeprefix("label=").partition("=")
    for container in state["containers"].values():
        if container["labels"].get(key) == value:
            print(container["id"])


def docker_inspect(state: State, words: list[str]) -> None:
    container = find(state, words[-1])
    how = look(state, container)
    alive = how in ("loading", "ready") and not container.get("stopped")
    codes = {"killed": 137, "refused": state["load_failure_code"], "timed out": state["load_failure_code"]}
    status, code = "running" if alive else "exited", codes.get(how, 0)
    if "--format" in words:
        known = {".State.Status": status, ".State.ExitCode": code, ".Id": container["id"]}
        known[".State.OOMKilled"] = str(how == "killed").lower()
        print(re.sub(r"\{\{([.\w]+)\}\}", lambda match: str(known[match[1]]), words[words.index("--format") + 1]))
        return
    print(
        json.dumps(
            [
                {
                    "Id": container["id"],
                    "Name": f"/{container['name']}",
                    "State": {"Status": status, "ExitCode": code, "OOMKilled": how == "killed"},
                    "Config": {"Labels": container["labels"]},
                }
            ]
        )
    )


def docker_logs(state: State, words: list[str]) -> None:
    container = find(state, words[-1])
    look(state, container)
    lines = [line for when, line in container["lines"] if when <= state["now"] - container["started"]]
    print("\n".join(lines[-int(words[1]) :] if words[0] == "--tail" else lines))


def docker_exec(state: State, words: list[str]) -> None:
    container = find(state, words[0])
    if look(state, container) != "ready":
        raise Ended(1, "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>")
    groups = [{"device": {"deviceType": "nc", "deviceId": 0}, "workers": [{"id": 1, "status": "READY"}]}]
    print(json.dumps([{"models": [{"modelName": Path(container["model"]).name, "workerGroups": groups}]}]))


def docker_diff(state: State, words: list[str]) -> None:
    layer = Path(find(state, words[-1])["layer"])
    print("A /cache\nA /cache/huggingface")  # where the mounts are
    for path in sorted(layer.rglob("*")):
        print(f"A /{path.relative_to(layer)}")


def docker_stop(state: State, words: list[str]) -> None:
    find(state, words[-1])["stopped"] = True


def docker_rm(state: State, words: list[str]) -> None:
    identity = find(state, words[-1])["id"]
    state["containers"] = {name: one for name, one in state["containers"].items() if one["id"] != identity}


# --- the other programs


def neuron_ls(words: list[str]) -> None:
    """The devices, as the tool prints them in JSON; without a driver its own words."""
    with machine() as state:
        if not state["driver"]:
            raise Ended(1, "[FATA] Unable to read device information from the driver")
        print(json.dumps([device(number, state["devices"]) for number in range(state["devices"])]))


def device(number: int, count: int) -> State:
    ring = sorted({(number - 1) % count, (number + 1) % count} - {number}) or None
    return {
        "neuron_device": number,
        "bdf": f"0000:00:{0x1E - number:02x}.0",
        "connected_to": ring,
        "nc_count": 2,
        "memory_size": 32 * GIB,
        "neuron_processes": [],
    }


def neuron_monitor(words: list[str]) -> None:
    """One document of memory in use."""
    with machine() as state:
        used = sum(state["device_bytes"] for one in state["containers"].values() if look(state, one) == "ready")
    report = {"memory_used": {"neuron_runtime_used_bytes": {"host": MB, "neuron_device": used}}}
    print(json.dumps({"neuron_runtime_data": [{"pid": 7, "report": report}]}))


def curl(words: list[str]) -> None:
    """A request to the server of a container: refused until it is ready; an answer takes its time by its length."""
    with machine() as state:
        if not any(look(state, one) == "ready" and not one.get("stopped") for one in state["containers"].values()):
            raise Ended(7, "curl: (7) Failed to connect to 127.0.0.1 port 8080: Connection refused")
        options = dict(pairwise(words))
        status, text, seconds = answer(state, options.get("-d", ""))
        state["now"] += seconds
    said = "" if "-o" in options else text
    form = options.get("-w", "").replace("\\n", "\n")
    said += form.replace("%{http_code}", str(status)).replace("%{time_total}", f"{seconds:.6f}")
    print(said, end="")


def answer(state: State, data: str) -> tuple[int, str, float]:
    """A status, a body and the seconds that it takes: each token of prompt and answer costs the same."""
    body = json.loads(data) if data else {}
    prompts = body.get("inputs") or body.get("text")
    if not prompts:
        return 200, "{}", 0.0
    tokens = body["seq_length"] if "text" in body else body["parameters"]["max_new_tokens"]
    if tokens >= state["fails_from_tokens"]:
        return 424, json.dumps({"code": 424, "error": "RuntimeError: nrt_execute status=5"}), 1.0
    texts, seconds = [f"{prompt} and so on" for prompt in prompts], 0.2 + tokens * state["token_ms"] / 1e3
    said = {"outputs": texts} if "text" in body else [{"generated_text": text} for text in texts]
    return 200, json.dumps(said), seconds


def date(words: list[str]) -> None:
    """The machine's clock, in seconds; other forms are the real program's."""
    with machine() as state:
        print(int(state["now"]))


def dpkg_query(words: list[str]) -> None:
    """The version of a package of the host; an error for one that is not there."""
    with machine() as state:
        found = {"aws-neuronx-dkms": state["driver"], "aws-neuronx-tools": "2.25.145.0"}.get(words[-1])
    if not found:
        raise Ended(1, f"dpkg-query: no packages found matching {words[-1]}")
    print(found, end="")


def chown(words: list[str]) -> None:
    """Nothing: there is one user."""


PROGRAMS = {
    "docker": docker,
    "neuron-ls": neuron_ls,
    "neuron-monitor": neuron_monitor,
    "curl": curl,
    "date": date,
    "dpkg-query": dpkg_query,
    "chown": chown,
}


def run(folder: str, name: str, words: list[str]) -> tuple[str, str, int]:
    """What a program prints, what it says on stderr, and its exit code."""
    os.environ["PLAYED_MACHINE"] = folder
    said, code, printed = "", 0, io.StringIO()
    with redirect_stdout(printed):
        try:
            PROGRAMS[name](words)
        except Ended as ended:
            said, code = f"{ended.said}\n", ended.code
        except Exception:  # the next program runs all the same
            said, code = traceback.format_exc(), 1
    return printed.getvalue(), said, code


def hear(connection: socket.socket) -> list[str]:
    """The texts that are sent, each with a NUL behind it; the first says how many there are after the next two."""
    heard = b""
    while not heard or heard.count(b"\0") < 3 + int(heard.partition(b"\0")[0] or 10**6):
        part = connection.recv(1 << 16)
        if not part:
            raise ConnectionError("whoever asked has ended")
        heard += part
    return heard.decode().split("\0")[1:-1]


def main() -> int:
    """Run programs for whoever asks on a port of 127.0.0.1, one at a time, until stdin ends; prints the port first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            with server.accept()[0] as connection, suppress(ConnectionError):
                folder, name, *words = hear(connection)
                connection.sendall("".join(f"{part}\0" for part in run(folder, name, words)).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
