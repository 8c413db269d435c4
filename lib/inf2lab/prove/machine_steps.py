"""The steps before a model is loaded: image, versions, cores, and the runtime's own start."""

import shlex
from pathlib import Path

from inf2lab import catalog
from inf2lab.aws import Ran
from inf2lab.doctor import parse_neuron_ls
from inf2lab.errors import LabError
from inf2lab.prove.site import Refuted, Site, last_words, tell

TOOLS = "export PATH=$PATH:/opt/aws/neuron/bin\n"  # not on the PATH of Session Manager's commands
RUNTIME = "aws-neuronx-runtime-lib"
_NRT_INIT = Path(__file__).with_name("nrt_init.py.txt")


def pull_image(site: Site) -> None:
    """Pull the profile's image; notes its digest, size and time."""
    image = shlex.quote(site.plan.line.image)
    script = f"""set -e
begin=$(date +%s)
docker pull --quiet {image}
end=$(date +%s)
digest=$(docker image inspect --format '{{{{index .RepoDigests 0}}}}' {image})
bytes=$(docker image inspect --format '{{{{.Size}}}}' {image})
{tell("begin", "end", "digest", "bytes")}"""
    told = site.ask(script, patience_s=1800)
    site.found |= {
        "digest": told["digest"],
        "bytes": int(told["bytes"]),
        "pull_s": int(told["end"]) - int(told["begin"]),
    }


def read_versions(site: Site) -> None:
    """Read both versions, and note which drivers should go with the runtime; nrt_init is the judge."""
    image = shlex.quote(site.plan.line.image)
    script = f"""set -e
driver=$(cat /sys/module/neuron/version)
runtime=$(docker run --rm --network none --entrypoint dpkg-query {image} --show --showformat '${{Version}}' {RUNTIME})
{tell("driver", "runtime")}"""
    told = site.ask(script)
    runtime = told["runtime"].partition("-")[0]
    site.found |= {"driver": told["driver"], "runtime": runtime}
    site.predicted |= {"drivers": str(catalog.accepted_drivers(runtime))}


def find_cores(site: Site) -> None:
    """Count what neuron-ls shows, and compare with the catalog."""
    ran = site.run(f"{TOOLS}neuron-ls --json-output", patience_s=60)
    if not ran.ok:
        raise Refuted(f"neuron-ls ended with code {ran.code}: {last_words(ran)}")
    try:
        devices = parse_neuron_ls(ran.output)
    except LabError as error:
        raise Refuted(str(error)) from error
    hardware = site.plan.settings.hardware
    site.predicted |= {"devices": hardware.chips, "cores": hardware.cores}
    site.found |= {"devices": len(devices), "cores": sum(device.cores for device in devices)}
    if site.found != site.predicted:
        raise Refuted(f"{hardware.name} shows {site.found['cores']} NeuronCores, and the catalog has {hardware.cores}")


def initialise_runtime(site: Site) -> None:
    """Call nrt_init in the image, on the host's driver, as the server's user: no framework and no model."""
    line = site.plan.line
    devices = " ".join(f"--device {path}" for path in line.devices)
    image, program = shlex.quote(line.image), shlex.quote(_NRT_INIT.read_text(encoding="utf-8"))
    script = f"docker run --rm --network none -u 1000 {devices} --entrypoint python3 {image} -c {program}"
    ran = site.run(script, patience_s=120)
    if not ran.ok:
        raise Refuted(_refusal(ran))
    site.found |= {"nrt_init": 0}


def _refusal(ran: Ran) -> str:
    """Return the runtime's first own line, and what the table of troubles knows of all of them."""
    spoken = [line for line in ran.errors.splitlines() if "NRT:" in line]
    row = catalog.recognise(ran.errors)
    words = " ".join((spoken[0] if spoken else last_words(ran)).split())
    return f"{words} - {row.cause} {row.fix}" if row else words
