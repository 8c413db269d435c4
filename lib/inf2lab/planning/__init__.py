"""What a set of parameters means: legal degrees, memory a core, copies and devices, time, cost, and what would fit.

The arithmetic is neuron_rules'; the rehearsal's device uses the same, so a plan and a rehearsal agree.
"""

from inf2lab.planning.curve import CurvePoint, read_curve
from inf2lab.planning.decode import Decode, Range
from inf2lab.planning.degrees import Degrees
from inf2lab.planning.devices import Copy, DeviceList, judge_devices, ring_runs
from inf2lab.planning.fleet import (
    Capacity,
    Fleet,
    capacity,
    capacity_rows,
    fleet_for,
    read_seconds,
)
from inf2lab.planning.host import Host, machine_disk_gib, weights_gib
from inf2lab.planning.memory import Memory
from inf2lab.planning.pace import measured_pace, planned_pace
from inf2lab.planning.planner import Plan, plan, plan_for, plan_of, plan_request
from inf2lab.planning.published import ArticleRules, PublicRule, article_rules, public_rules
from inf2lab.planning.queue import (
    Pace,
    Prediction,
    answered_ideally,
    arrivals,
    erlang_c,
    poisson,
    predict,
    replicas_for,
)
from inf2lab.planning.report import as_dict, headlines, rows
from inf2lab.planning.request import Request, request_for, request_of
from inf2lab.planning.service import Choice, Service

__all__ = [
    "ArticleRules",
    "Capacity",
    "Choice",
    "Copy",
    "CurvePoint",
    "Decode",
    "Degrees",
    "DeviceList",
    "Fleet",
    "Host",
    "Memory",
    "Pace",
    "Plan",
    "Prediction",
    "PublicRule",
    "Range",
    "Request",
    "Service",
    "answered_ideally",
    "arrivals",
    "article_rules",
    "as_dict",
    "capacity",
    "capacity_rows",
    "erlang_c",
    "fleet_for",
    "headlines",
    "judge_devices",
    "machine_disk_gib",
    "measured_pace",
    "plan",
    "plan_for",
    "plan_of",
    "plan_request",
    "planned_pace",
    "poisson",
    "predict",
    "public_rules",
    "read_curve",
    "read_seconds",
    "replicas_for",
    "request_for",
    "request_of",
    "ring_runs",
    "rows",
    "weights_gib",
]
