"""vLLM is started without a port, and listens where nobody asks."""

import re

from inf2lab.lint.examples import launched
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "port-of-another-default", Severity.WARNING
WHY = (
    "The image exposes 8080 and asks it for its health, while `vllm serve` listens on 8000 unless it is told otherwise."
)
CURE = "Write --port 8080, or publish 8000."
GOOD = launched("")
BAD = GOOD | {"run.sh": GOOD["run.sh"].replace(" --port 8080", "")}
EXPECT = ["run.sh:3 no --port: vLLM listens on 8000, and 8080 is published"]


def check(folder: Folder) -> Hits:
    for launch in folder.launches:
        run = launch.container
        if run is None or "vllm" not in launch.words or launch.flag("--port") is not None:
            continue
        inside = {found[1] for one in run.all("publish") if (found := re.search(r"(\d+)(?:/tcp)?$", one))}
        if inside and "8000" not in inside:
            message = f"no --port: vLLM listens on 8000, and {', '.join(sorted(inside))} is published"
            yield Hit(launch.at("vllm serve"), message)
