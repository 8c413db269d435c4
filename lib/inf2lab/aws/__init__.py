"""An instance with a price tag and an end: look-ups, the request, the launch, its deadline, the sweep.

In the rehearsal lane nothing here asks AWS. In the inf2 lane a launch is a dry run unless `confirm=True`.
"""

from inf2lab.aws.connection import Cloud, connect
from inf2lab.aws.deadline import extend
from inf2lab.aws.errors import (
    ClockSkew,
    CloudError,
    ModelFailed,
    NoAccess,
    NoCapacity,
    NoImage,
    NotAllowed,
    NotThere,
    Protected,
    QuotaTooSmall,
    RunOnRecord,
    StillInUse,
    Throttled,
    WrongRegion,
)
from inf2lab.aws.instance import Call, LaunchRequest, launch_request
from inf2lab.aws.kinds import Found
from inf2lab.aws.launcher import Launched, LaunchFailed, describe_calls, launch, send_one
from inf2lab.aws.lookups import Image, Offering, QuotaAnswer, look_up_image, offering, quota
from inf2lab.aws.prices import PriceRow, PriceTable, price_table
from inf2lab.aws.review_of_instance import Point, review
from inf2lab.aws.runs import Run, all_runs, open_runs, run_on_record
from inf2lab.aws.sweeper import SweepReport, sweep, sweep_on_record
from inf2lab.aws.tunnel import token_command, tunnel_command

__all__ = [
    "Call",
    "ClockSkew",
    "Cloud",
    "CloudError",
    "Found",
    "Image",
    "LaunchFailed",
    "LaunchRequest",
    "Launched",
    "ModelFailed",
    "NoAccess",
    "NoCapacity",
    "NoImage",
    "NotAllowed",
    "NotThere",
    "Offering",
    "Point",
    "PriceRow",
    "PriceTable",
    "Protected",
    "QuotaAnswer",
    "QuotaTooSmall",
    "Run",
    "RunOnRecord",
    "StillInUse",
    "SweepReport",
    "Throttled",
    "WrongRegion",
    "all_runs",
    "connect",
    "describe_calls",
    "extend",
    "launch",
    "launch_request",
    "look_up_image",
    "offering",
    "open_runs",
    "price_table",
    "quota",
    "review",
    "run_on_record",
    "send_one",
    "sweep",
    "sweep_on_record",
    "token_command",
    "tunnel_command",
]
