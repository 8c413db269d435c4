"""Where the default differs from the original on purpose: one entry for each difference.

The server asks here what to do, README.md shows them (`tools/pages/write_switches.py`), and `--strict on` is all
of them. A switch that is on plays the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique


@dataclass(frozen=True)
class Difference:
    """What happens in the original and by default, and why not the same."""

    event: str
    original: str
    default: str
    why: str


@unique
class Switch(Enum):
    """Each difference by its name; the name says what the original does."""

    RELOAD_BEFORE_ANSWER = Difference(
        "a worker crashes in a request, or takes longer than `predict_timeout`",
        "answered after the model was loaded again, whose worker then ends; more than `retry_threshold` (10) in all "
        "end the model",
        "answered at once, a timeout with its limit, and the worker is replaced; more than that in a row end the model",
        "minutes of silence on a large model; one answer proves that it works",
    )
    DEAD_WORKERS_COUNT = Difference(
        "a worker has ended",
        "counts for a minute: 503 where it was the only one, and nothing starts after scaling to 0 and back",
        "does not count",
        "the article's set-up has one worker",
    )
    IDLE_DEATH_IS_FINAL = Difference(
        "a worker dies while idle",
        "400 on every request, for ever",
        "replaced at once",
        "nothing tells a learner what happened",
    )
    UNREAD_REQUEST_IS_LOST = Difference(
        "a worker dies before it has read the request to its end",
        "as in any request",
        "its replacement answers (Linux, without rolling batch; else 503)",
        "no handler has run: asking again is safe",
    )
    QUEUE_IS_LEFT_ALONE = Difference(
        "requests are queued for a worker that crashed, that was scaled to 0, or whose load failed",
        "no answer until another request starts a worker",
        "answered by a replacement where one may start, else 503 or the load's error",
        "nobody waits for ever",
    )
    QUEUE_LIMIT_UNSAID = Difference(
        "queue full",
        "`Worker queue capacity exceeded for model: m (READY)`",
        "the same, and which limit and how full",
        "the cure is that limit",
    )
    NO_WORKER_IS_503 = Difference(
        "a request comes while no worker runs: one is loading (`wait_model_loading=false`), or the last has ended",
        "starts one more, then 503",
        "waits for the first",
        "two copies of a model do not fit a laptop",
    )
    FAILED_LOAD_EXITS_0 = Difference(
        "a model does not load at start",
        "a pause, the port opens for an instant, exit code 0; never ends beside other models",
        "exit code 1 at once, port never opens, traceback last",
        "a script must see the failure",
    )
    SETUP_ERROR_EXITS_1 = Difference(
        "a setting or flag cannot be used, or two models at start have one name",
        "exit code 1, `Invalid configuration: ` and Java's words in the log; surplus words are ignored",
        "exit code 2, a sentence that says what to write; surplus words are refused",
        "a mistyped command must not go by",
    )
    BAD_LIMIT_DROPS_CONNECTIONS = Difference(
        "`chunked_read_timeout` is no number, or `max_request_size` is below 0",
        "starts, and drops every connection",
        "refused at start",
        "nothing tells a learner what happened",
    )
    NEGATIVE_BATCH_ENDS_WORKERS = Difference(
        "`batch_size` is below 0",
        "loads; each worker ends at once, and every request gets 503",
        "does not load",
        "the reason is in the log only",
    )
    BROKEN_STREAM_DROPS = Difference(
        "a stream fails before its first piece",
        "the connection drops",
        "503 with the reason",
        "the reason is in the log only",
    )
    ROLLING_BATCH_HANGS = Difference(
        "`rolling_batch` is set, to any value, and the handler answers with no item of a rolling batch; or "
        "`max_rolling_batch_size` is below 1; or a worker crashes or is too slow in a rolling batch",
        "no answer: the connection drops after `chunked_read_timeout`; after an answer that is no item that holds for "
        "all later requests, and one without a place is a 400 after `predict_timeout`",
        "400 with the reason and the cure, at once; 503 after a crash",
        "nothing tells a learner what happened",
    )
    WEB_PAGES_ARE_LET_IN = Difference(
        "a web page of another site asks a server on loopback: its `Host` is none of this machine's names, its "
        "`Origin` is another site's, or `Sec-Fetch-Site` is `cross-site`",
        "answered like any other request",
        "403, unless `cors_allowed_origin` names the site",
        "a browser lets any page register models and read the answers",
    )
    WORKERS_UNLIMITED = Difference(
        "`POST /models` or `PUT /models/{name}` asks for more than 16 workers",
        "started",
        "400 that says the limit",
        "each is a process with a copy of the model; a folder's own numbers hold",
    )
    SECRETS_ARE_LOGGED = Difference(
        "a variable or a key of `serving.properties` with TOKEN, SECRET, PASSWORD, KEY or CREDENTIAL in its name is "
        "listed in the log",
        "with its value",
        "as `***`",
        "logs are pasted and uploaded",
    )
    NO_PLUGINS = Difference(
        "GET `/`, `/index.html`, `/v2/health/live`, `/v2/health/ready`, `/v2/models/{m}`, `/v2/models/{m}/ready`",
        "404, as the recorded server, which had no plugins",
        "as the image of an instance, which has them: 200 (424 where a model has failed or is on its way), and 500 for "
        "`/v2/models/{m}`",
        "a health probe that passes on an instance must pass here",
    )
    LOOSE_FRAMING = Difference(
        "bytes that two servers may read differently: lines ended by LF alone or folded, Transfer-Encoding beside "
        "Content-Length, in HTTP/1.0 or other than `chunked`, chunks with anything else in their "
        "lines; bytes that begin no request",
        "read as far as they can be: chunked wins, other codings have no body, what begins no request waits for its "
        "line to end",
        "400 at once",
        "a proxy in front may pass on one request as two; a client that speaks TLS must see that it is wrong",
    )
    JSON_ERRORS_ARE_JAVAS = Difference(
        "`POST /models` with a JSON body that is broken, has a value of another type, or names no `url`",
        "500 with a Java exception",
        "400 that says which",
        "it is the client's mistake",
    )


def table() -> str:
    """The switches as README.md shows them."""
    head = ["| event | DJLServing 0.25, `--strict on` | `--strict off` (default) | why |", "|---|---|---|---|"]
    rows = (switch.value for switch in Switch)
    return "\n".join([*head, *(f"| {row.event} | {row.original} | {row.default} | {row.why} |" for row in rows)])
