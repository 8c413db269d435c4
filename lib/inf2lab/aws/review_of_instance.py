"""Checks of a request before it is sent, without asking anybody: botocore's own rules, and ours about safety."""

from dataclasses import dataclass
from typing import Any

from inf2lab.aws.calls import find_faults
from inf2lab.aws.instance import LaunchRequest
from inf2lab.aws.runs import DEADLINE_TAG, RUN_TAG


@dataclass(frozen=True)
class Point:
    """One thing that a request must have, and whether it has it."""

    claim: str
    holds: bool
    hint: str = ""


def review(request: LaunchRequest) -> list[Point]:
    """Return every point of the review, in the order of what it costs to forget it."""
    sent: dict[str, Any] = dict(request.run_instances.parameters)
    disks = [disk["Ebs"] for disk in sent["BlockDeviceMappings"]]
    tags = [{tag["Key"] for tag in row["Tags"]} for row in sent["TagSpecifications"]]
    metadata = sent["MetadataOptions"]
    operations = [call.operation for call in request.calls]
    faults = [fault for call in request.calls for fault in find_faults(call)]
    return [
        Point("botocore accepts every call", not faults, "; ".join(faults)),
        Point(
            "a shutdown terminates the instance",
            sent["InstanceInitiatedShutdownBehavior"] == "terminate",
            "the default, stop, leaves the disk billing",
        ),
        Point(
            "two deadlines are set: a timer inside, a schedule outside",
            "inf2lab-deadline.timer" in sent["UserData"] and "create_schedule" in operations,
        ),
        Point("the disk ends with the instance", all(disk["DeleteOnTermination"] for disk in disks)),
        Point("the disk is encrypted", all(disk["Encrypted"] for disk in disks)),
        Point(
            "everything carries the run's tag",
            all({RUN_TAG, DEADLINE_TAG} <= keys for keys in tags),
            "the sweep finds things by it",
        ),
        Point("no port is open from outside", "authorize_security_group_ingress" not in operations),
        Point(
            "metadata asks for a token, no further away than the container needs it",
            metadata["HttpTokens"] == "required"
            and metadata["HttpPutResponseHopLimit"] == request.image.stack.metadata_hops,
            "only DJLServing 0.21 asks it from inside the container, which is one hop more",
        ),
        Point(
            "no newer driver is taken than the container's runtime allows",
            not request.image.release or request.image.accepted.accepts(request.image.release.driver),
            "a driver of 2.29 or later refuses a runtime before 2.33",
        ),
        Point(
            "Jupyter listens on loopback, with a token",
            "--ip=127.0.0.1" in sent["UserData"] and "JUPYTER_TOKEN_FILE" in sent["UserData"],
        ),
    ]
