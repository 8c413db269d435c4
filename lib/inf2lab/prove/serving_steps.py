"""The steps with a model: it loads, its caches stay, it answers, and what was planned is compared with what is."""

import base64
import json
import shlex

from inf2lab import catalog, planning
from inf2lab.measure import read_document
from inf2lab.prove.machine_steps import TOOLS
from inf2lab.prove.site import Refuted, Site, tell, values
from inf2lab.prove.subject import PROMPTS, ask_for
from inf2lab.serving import CONTAINER_USER
from inf2lab.shapes import SHAPES, read_answer
from neuron_rules import GIB

LOOK_S = 15
STATUS = "\\n%{http_code}"  # after the body
LENGTHS = (64, 448)  # tokens of prompt and answer: the slope between them is the time a token
TIMES = 3  # of each, in turns; the least counts, which nothing else has slowed


def load(site: Site) -> None:
    """Start the container with the lane's own command, and wait until it answers, fails or is out of time."""
    site.ask(_start(site))
    line = site.plan.line
    patience_s = line.needs.loading_s
    while True:
        told = site.ask(_look(site))
        waited = int(told["now"]) - int(told["started"])
        if told.get("ready") == "yes":
            break
        if told["state"] != "running":
            raise Refuted(f"the container ended after {waited} s with code {told['code']}: {_cause(site, told)}")
        if waited > patience_s:
            raise Refuted(
                f"no answer after {waited} s; the folder allows {patience_s} s (option.model_loading_timeout)"
            )
        site.cloud.pause(LOOK_S)
    planned = planning.loading(site.plan.forecast.request).seconds
    site.predicted |= {"load_s": [round(planned.low), round(planned.high)]}
    site.found |= {"load_s": waited}


def keep_caches(site: Site) -> None:
    """Look for weights and programs in the mounted folders, and for none in the container's own layer."""
    cache, name = site.plan.home / "cache", site.plan.line.name
    script = f"""set -e
weights=$(du -sb {cache}/huggingface | cut -f1)
programs=$(find {cache}/neuron-compile-cache -name '*.neff' | wc -l)
docker diff {name} >/tmp/inf2lab-diff
inside=$(grep -c -E 'models--|[.]neff$' /tmp/inf2lab-diff || true)
{tell("weights", "programs", "inside")}"""
    told = site.ask(script)
    weights, programs, inside = (int(told[name]) for name in ("weights", "programs", "inside"))
    site.found |= {"weights_bytes": weights, "programs": programs, "files_in_the_container": inside}
    entry = catalog.model_entries()[site.plan.line.needs.model_id]
    site.predicted |= {"weights_bytes": 2 * entry.parameters}
    if inside or weights < entry.parameters or not programs:
        raise Refuted(
            f"{weights} bytes of weights and {programs} programs on the volume, {inside} files in the container"
        )


def answer(site: Site) -> None:
    """Send both prompts in one request, and read a text for each."""
    body = _body(site, 64)
    needs = site.plan.line.needs
    script = f"curl -s -m {needs.predict_s} -w {shlex.quote(STATUS)} {_post(site, body)}"
    text, _, status = site.run(script, patience_s=600).output.rpartition("\n")
    texts = read_answer(SHAPES[needs.stated.shape], text.encode()) or []
    if status.strip() != "200" or len(texts) != len(PROMPTS) or not all(map(str.strip, texts)):
        raise Refuted(f"no text for each of {len(PROMPTS)} prompts, but {status.strip()}: {text[:200]}")
    site.found |= {"texts": texts}


def measure(site: Site) -> None:
    """Time requests of two lengths, read the chip's memory and the container's, and put the plan beside them."""
    counts = " ".join(str(length) for _ in range(TIMES) for length in LENGTHS)
    format_ = shlex.quote("%{http_code} %{time_total}\\n")
    cases = "\n".join(f"  {length}) body={shlex.quote(_body(site, length))} ;;" for length in LENGTHS)
    script = f"""set -e
for length in {counts}; do
  case $length in
{cases}
  esac
  took=$(curl -s -o /dev/null -m 600 -w {format_} {_post(site, None)})
  echo "took $length $took"
done
id=$(docker inspect --format '{{{{.Id}}}}' {site.plan.line.name})
for file in system.slice/docker-$id.scope/memory.peak memory/docker/$id/memory.max_usage_in_bytes; do
  if [ -f /sys/fs/cgroup/$file ]; then echo "host=$(cat /sys/fs/cgroup/$file)"; fi
done
{TOOLS}timeout 20 neuron-monitor | head -n 1
"""
    ran = site.run(script, patience_s=1800)
    times: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for line in ran.output.splitlines():
        if line.startswith("took "):
            _, length, status, seconds = line.split()
            if status != "200":
                raise Refuted(f"a request for {length} tokens was answered with {status}")
            times[int(length)].append(float(seconds))
    if not ran.ok or not all(times.values()):
        raise Refuted(f"the requests were not answered: code {ran.code}")
    (short, long), plan = LENGTHS, site.plan.forecast
    slope = (min(times[long]) - min(times[short])) / (long - short)
    pace = plan.decode.ms_per_token
    site.found |= {"ms_per_token": round(1e3 * slope, 2), **_memory(ran.output)}
    site.predicted |= {
        "ms_per_token": [round(value, 2) for value in pace.bounds],
        "device_gib": round(plan.memory.total * plan.request.tensor_parallel_degree / GIB, 2),
        "host_gib": round(plan.host.peak_gib, 2),
    }


def _memory(text: str) -> dict[str, float]:
    """Return what monitor and kernel say of memory, each where it says anything."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("{"):
            used = read_document(json.loads(line)).device_bytes
            found |= {"device_gib": round(used / GIB, 2)} if used is not None else {}
    host = values(text).get("host")
    return found | ({"host_gib": round(int(host) / GIB, 2)} if host else {})


def _start(site: Site) -> str:
    """Return the script that writes the folder and starts the container, by the command of the chip's lane."""
    home, line = site.plan.home, site.plan.line
    model = home / "models" / site.plan.folder.path.name
    lines = ["set -e", f"mkdir -p {model}"]
    for name, data in site.plan.folder.contents().items():
        lines.append(f"echo {base64.b64encode(data).decode()} | base64 -d >{model}/{name}")
    written = " ".join(map(str, line.written))
    lines += [f"mkdir -p {written}", f"chown {CONTAINER_USER}:{CONTAINER_USER} {written}"]
    lines += [f"docker rm --force {line.name} >/dev/null 2>&1 || true", shlex.join(line.words())]
    return "\n".join([*lines, f"date +%s >{home}/logs/started"]) + "\n"


def _look(site: Site) -> str:
    """Return the script that says how far the container is."""
    name, port = site.plan.line.name, site.plan.settings.port
    return f"""set -e
started=$(cat {site.plan.home}/logs/started)
now=$(date +%s)
{tell("started", "now")}docker inspect --format 'state={{{{.State.Status}}}}
code={{{{.State.ExitCode}}}}
killed={{{{.State.OOMKilled}}}}' {name}
if curl -sf -m 5 -o /dev/null http://127.0.0.1:{port}/ping 2>/dev/null; then echo ready=yes; fi
docker logs --tail 12 {name} 2>&1
"""


def _cause(site: Site, told: dict[str, str]) -> str:
    """Return what the troubles' table knows of the last lines, else the last line."""
    if told["killed"] == "true":
        return f"the kernel killed it for memory. {catalog.trouble('host-memory').fix}"
    row = catalog.recognise("\n".join(site.seen[-12:]))
    return f"{row.cause} {row.fix}" if row else site.seen[-1][:300]


def _body(site: Site, tokens: int) -> str:
    return json.dumps(ask_for(site.plan.line.needs.stated.shape, tokens))


def _post(site: Site, body: str | None) -> str:
    data = '"$body"' if body is None else shlex.quote(body)
    url = f"http://127.0.0.1:{site.plan.settings.port}/predictions/{site.plan.folder.name}"
    return f"-H 'Content-Type: application/json' -d {data} {url}"
