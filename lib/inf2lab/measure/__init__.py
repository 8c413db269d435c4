"""Put a load on an endpoint, and say what it showed.

from inf2lab import measure
result = measure.run(measure.Target.of(server), measure.Load(clients=4, requests=40))
"""

from typing import TYPE_CHECKING

from inf2lab.errors import MeasureError
from inf2lab.faces import on_demand
from inf2lab.measure.aiperf import aiperf_command
from inf2lab.measure.chip import read_document, read_monitor, recorded, watching
from inf2lab.measure.client import Traffic
from inf2lab.measure.load import Load
from inf2lab.measure.prompts import Tokens, tokens_of
from inf2lab.measure.result import Result, Row, Times, rows_of
from inf2lab.measure.runner import knee, plan_of, run, sweep, sweep_batches
from inf2lab.measure.server_view import Mark, ServerView
from inf2lab.measure.stall import freezing
from inf2lab.measure.target import Target

if TYPE_CHECKING:
    from inf2lab.measure.figures import chip_rates, fitting, latencies, throughput
    from inf2lab.measure.report import summary, table, write_report

__all__ = [
    "Load",
    "Mark",
    "MeasureError",
    "Result",
    "Row",
    "ServerView",
    "Target",
    "Times",
    "Tokens",
    "Traffic",
    "aiperf_command",
    "chip_rates",
    "fitting",
    "freezing",
    "knee",
    "latencies",
    "plan_of",
    "read_document",
    "read_monitor",
    "recorded",
    "rows_of",
    "run",
    "summary",
    "sweep",
    "sweep_batches",
    "table",
    "throughput",
    "tokens_of",
    "watching",
    "write_report",
]

# What draws comes on demand: Ray's environment and the processes of a load have no matplotlib.
__getattr__ = on_demand(__name__)
