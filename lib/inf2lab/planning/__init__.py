"""What a set of parameters means: legal degrees, memory a core, copies and devices, time, cost, and what would fit.

The arithmetic is neuron_rules'; the rehearsal's device uses the same, so a plan and a rehearsal agree.
"""

from inf2lab.planning.curve import read_curve
from inf2lab.planning.decode import Range
from inf2lab.planning.devices import DeviceList, judge_devices
from inf2lab.planning.fleet import capacity, capacity_rows, read_seconds
from inf2lab.planning.host import host_needs, machine_disk_gib, replica_disk_gib
from inf2lab.planning.loading import loading, slowest_load_s
from inf2lab.planning.planner import Plan, plan, plan_for, plan_of, plan_of_files, plan_request
from inf2lab.planning.published import article_rules
from inf2lab.planning.queue import Pace, Prediction, answer_ideally, arrivals, planned_pace, poisson, predict
from inf2lab.planning.report import as_dict, headlines, rows
from inf2lab.planning.request import Request, request_of
from inf2lab.planning.service import usd_per_million_tokens

__all__ = [
    "DeviceList",
    "Pace",
    "Plan",
    "Prediction",
    "Range",
    "Request",
    "answer_ideally",
    "arrivals",
    "article_rules",
    "as_dict",
    "capacity",
    "capacity_rows",
    "headlines",
    "host_needs",
    "judge_devices",
    "loading",
    "machine_disk_gib",
    "plan",
    "plan_for",
    "plan_of",
    "plan_of_files",
    "plan_request",
    "planned_pace",
    "poisson",
    "predict",
    "read_curve",
    "read_seconds",
    "replica_disk_gib",
    "request_of",
    "rows",
    "slowest_load_s",
    "usd_per_million_tokens",
]
