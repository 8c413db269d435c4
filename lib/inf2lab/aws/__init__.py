"""AWS: an instance or an endpoint with a price tag and an end, from the look-ups to the sweep that proves it gone.

In the rehearsal lane nothing here asks AWS. In the inf2 lane a launch is a dry run unless `confirm=True`.
"""

from inf2lab.aws.commands import Ran, run_command
from inf2lab.aws.connection import Cloud, connect
from inf2lab.aws.deadline import extend
from inf2lab.aws.endpoint import deploy, endpoint_request, endpoint_rows
from inf2lab.aws.errors import (
    BootFailed,
    ClockSkew,
    CloudError,
    LaunchFailed,
    ModelFailed,
    NoAccess,
    NoCapacity,
    NoImage,
    NotAllowed,
    NotThere,
    NoWayIn,
    Protected,
    QuotaTooSmall,
    RunOnRecord,
    StillInUse,
    Throttled,
    WrongRegion,
)
from inf2lab.aws.first_session import first_session
from inf2lab.aws.first_try import first_try
from inf2lab.aws.images import Image, look_up_image
from inf2lab.aws.instance import LaunchRequest, describe_calls, launch, launch_request
from inf2lab.aws.invocation import invoke
from inf2lab.aws.lookups import look_up_subnet, offering, quota
from inf2lab.aws.moments import Moment
from inf2lab.aws.prices import PriceTable, price_table
from inf2lab.aws.review_of_instance import review
from inf2lab.aws.runs import Run, all_runs, open_runs, run_on_record
from inf2lab.aws.session_path import path_table
from inf2lab.aws.sweeper import SweepReport, sweep, sweep_on_record
from inf2lab.aws.tunnel import fill_commands, token_command, tunnel_command

__all__ = [
    "BootFailed",
    "ClockSkew",
    "Cloud",
    "CloudError",
    "Image",
    "LaunchFailed",
    "LaunchRequest",
    "ModelFailed",
    "Moment",
    "NoAccess",
    "NoCapacity",
    "NoImage",
    "NoWayIn",
    "NotAllowed",
    "NotThere",
    "PriceTable",
    "Protected",
    "QuotaTooSmall",
    "Ran",
    "Run",
    "RunOnRecord",
    "StillInUse",
    "SweepReport",
    "Throttled",
    "WrongRegion",
    "all_runs",
    "connect",
    "deploy",
    "describe_calls",
    "endpoint_request",
    "endpoint_rows",
    "extend",
    "fill_commands",
    "first_session",
    "first_try",
    "invoke",
    "launch",
    "launch_request",
    "look_up_image",
    "look_up_subnet",
    "offering",
    "open_runs",
    "path_table",
    "price_table",
    "quota",
    "review",
    "run_command",
    "run_on_record",
    "sweep",
    "sweep_on_record",
    "token_command",
    "tunnel_command",
]
