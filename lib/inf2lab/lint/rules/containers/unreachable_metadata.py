"""0.21.0 asks the instance's metadata what it runs on, and a container may not reach it."""

from inf2lab.lint.examples import OLD_OPT_1_3B, served
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "unreachable-metadata", Severity.WARNING
WHY = (
    "0.21.0 decides by instance-type whether there are NeuronCores. Inside a bridge network the answer stops at a hop "
    "limit of 1, and the server uses the CPU without a word. Later releases look at the devices."
)
CURE = "Set the instance's metadata hop limit to 2, or use --network=host with a management address of its own."
_OLD = OLD_OPT_1_3B + "option.model_loading_timeout=7200\n"
_HOST = "--network=host -e SERVING_MANAGEMENT_ADDRESS=http://127.0.0.1:8081"
BAD = served(_OLD, tag="0.21.0-pytorch-inf2")
GOOD = served(_OLD, network=_HOST, tag="0.21.0-pytorch-inf2")
EXPECT = ["run.sh:1 without the host's network 0.21.0 may not learn that this is Inferentia2"]
PROFILE = "seed-0.21"


def check(folder: Folder) -> Hits:
    if folder.profile.cores_found_by != "instance metadata":
        return
    for run in folder.serving:
        if run.command.words and not run.on_host_network:
            message = f"without the host's network {folder.profile.djl} may not learn that this is Inferentia2"
            yield Hit(run.command, message)
