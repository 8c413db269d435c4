"""What a model's properties, the environment and a registration mean together, beside an oracle written from the rules.

Processes are played: a load is judged by its error, its log, its groups, and what a worker would be told.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import string
import sys
import tempfile
import threading
import weakref
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearsal.server.api.management import Management
from rehearsal.server.config import Flags, load_config
from rehearsal.server.errors import ApiError
from rehearsal.server.logs import ServerLog
from rehearsal.server.models import registry as registry_module
from rehearsal.server.models.devices import Device, parse_device, visible_cores
from rehearsal.server.models.info import PENDING, READY, ModelInfo, Registration
from rehearsal.server.models.registry import Entry, Registry
from rehearsal.server.switches import Switch
from rehearsal.server.wire.requests import Request
from rehearsal.server.workers.process import find_python

CPU = Device("cpu", -1)
quick = settings(max_examples=50, deadline=None)


class PlayedProcess:
    """A worker that only waits for its end."""

    pid, lost = 7, False

    async def kill(self) -> None:
        self.lost = True

    async def retire(self, grace_s: float) -> None:
        self.lost = True


class PlayedFactory:
    """Starts workers that are none."""

    async def start(self, model: ModelInfo, device: Device, *, retry: int = 0) -> PlayedProcess:
        return PlayedProcess()


class Log(ServerLog):
    """Keeps what was said at INFO."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def info(self, name: str, text: str) -> None:
        self.said.append(text)


class Play:
    """A folder with properties, in a server whose workers are played."""

    def __init__(
        self,
        properties: str | bytes = "",
        environ: dict[str, str] | None = None,
        *,
        cores: int = 0,
        original: frozenset[Switch] = frozenset(),
    ) -> None:
        root = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        self.folder = Path(root) / "m"
        self.folder.mkdir()
        data = properties.encode() if isinstance(properties, str) else properties
        (self.folder / "serving.properties").write_bytes(data)
        (self.folder / "model.py").write_text("")
        self.log = Log()
        config = load_config(Flags(neuron_cores=cores, allow_any_url=True, original=original), environ or {})
        self.registry = Registry(config, PlayedFactory(), self.log)  # type: ignore[arg-type]
        self.management = Management(self.registry, config, self.log)

    def load(self, **registration: object) -> Entry:
        """The entry after it was loaded; raises what its load raises."""
        entry = self.registry.add(Registration("m", str(self.folder), **registration))  # type: ignore[arg-type]

        async def loaded() -> None:
            await self.registry.load(entry)

        asyncio.run(loaded())
        return entry

    def limits(self, **registration: object) -> list[tuple[str, int, int]]:
        groups = self.load(**registration).pool.groups.values()
        return [(str(group.device), group.min_workers, group.max_workers) for group in groups]

    def refusal(self, **registration: object) -> tuple[int, str, str | None]:
        with pytest.raises(ApiError) as caught:
            self.load(**registration)
        return caught.value.status, caught.value.java_type, caught.value.message


# --- device names: letters and digits, or a number, or several


def spoken(name: str) -> str:
    """The rule of one name, read letter by letter."""
    letters = name.rstrip(string.digits)
    digits = name[len(letters) :]
    if name == "" or letters == "cpu":
        return "cpu()"
    if letters and all(c in string.ascii_lowercase for c in letters):
        return f"{letters}({int(digits) if digits else -1})"
    if name.lstrip("-").isdigit() and name.count("-") <= 1 and not name.endswith("-"):
        return "cpu()" if name.startswith("-") and int(name) else f"gpu({int(name)})"
    return f"IllegalArgumentException: Failed to parse device name: {name}"


@quick
@given(st.text("nczxpu0129-; N_.é", max_size=6).filter(lambda name: name not in ("-0", "-00", "-000")))
def test_device_names(name):
    """Letters and perhaps digits are any kind of device, a number is a GPU, below 0 the CPU, and nothing is trimmed."""
    try:
        said = str(parse_device(name))
    except ApiError as error:
        said = f"{error.java_type}: {error.message}"
    assert said == spoken(name)


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("cpu7", CPU),
        ("nc", Device("nc", -1)),
        ("max", Device("max", -1)),
        ("nc00", Device("nc", 0)),
        ("nc2+nc0", Device("nc0+nc2", -1)),
        ("+nc1", Device("cpu-1+nc1", -1)),
    ],
)
def test_further_device_names(name, device):
    assert parse_device(name) == device


def test_a_device_number_beyond_java_is_a_number_format_exception():
    assert Play("load_on_devices=nc99999999999\n").refusal() == (
        500,
        "NumberFormatException",
        'For input string: "99999999999"',
    )


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("nc0;", ["nc(0)"]),
        (";nc0", ["cpu()", "nc(0)"]),
        ("cpu0;cpu1", ["cpu()"]),
        ("nc0;nc0", ["nc(0)"]),
        ("", ["cpu()"]),
        ("zz;max", ["zz(-1)", "max(-1)"]),
    ],
)
def test_devices_of_a_model_in_properties_and_registration(text, devices):
    """Empty names at the end are left out, others are the CPU, and every device is one group."""
    assert [device for device, *_ in Play(f"engine=Python\nload_on_devices={text}\n").limits()] == devices
    assert [device for device, *_ in Play("load_on_devices=nc9\n").limits(devices=text)] == devices


# --- limits of workers

numbers = st.sampled_from([None, "-2", "-1", "0", "1", "2", "3"])


def meant(kind: str, lines: dict[str, str], asked: tuple[int, int], threads: str | None) -> tuple[int, int] | str:
    """The rule of the limits, in its own words."""

    def stated(name: str) -> int | None:
        for key in (f"{kind}.{name}", name):
            for prefix in ("option.", ""):
                if prefix + key in lines:
                    return int(lines[prefix + key])
        return None

    cpus = os.cpu_count() or 1
    of_cpu = 2 if threads is None or int(threads) <= 0 else cpus // min(int(threads), cpus)
    default = 1 if kind == "nc" else of_cpu
    low, high = min(asked), asked[1]
    if high < 0:
        high = stated("maxWorkers") or 0
        high = high if high > 0 else default
    if low < 0:
        low = 1 if stated("minWorkers") is None else stated("minWorkers")
    low = min(low, high)
    return f"fromIndex = {low}" if low < 0 else (low, high)


@quick
@given(
    st.sampled_from(["cpu", "nc", "zz"]),
    st.dictionaries(
        st.sampled_from(
            [f"{o}{k}{n}" for o in ("", "option.") for k in ("", "cpu.", "nc.") for n in ("minWorkers", "maxWorkers")]
        ),
        numbers.filter(bool),
        max_size=3,
    ),
    st.tuples(st.sampled_from([-5, -1, -1, 0, 1, 2]), st.sampled_from([-5, -1, -1, 0, 1, 2])),
    st.sampled_from([None, "-1", "0", "1", "999"]),
)
def test_worker_limits(kind, lines, asked, threads):
    """The most cuts the least; a most of 0 or below is not stated; a least below 0 does not load."""
    text = "".join(f"{key}={value}\n" for key, value in lines.items())
    environ = {} if threads is None else {"OMP_NUM_THREADS": threads}
    play = Play(f"load_on_devices={kind}\n{text}", environ)
    wanted = meant(kind, lines, asked, threads)
    if isinstance(wanted, str):
        assert play.refusal(min_workers=asked[0], max_workers=asked[1]) == (500, "IndexOutOfBoundsException", wanted)
    else:
        assert [tuple(limits) for _, *limits in play.limits(min_workers=asked[0], max_workers=asked[1])] == [wanted]


def test_a_number_of_threads_that_nobody_needs_is_not_read():
    assert Play("maxWorkers=1\n", {"OMP_NUM_THREADS": "abc"}).limits() == [("cpu()", 1, 1)]
    assert Play("", {"OMP_NUM_THREADS": "abc"}).refusal()[1] == "NumberFormatException"


def test_the_log_names_a_groups_own_limits():
    """Not the sum over all devices."""
    play = Play("load_on_devices=nc0;nc2\n")
    play.load()
    ranges = [text.rpartition("Total range is ")[2] for text in play.log.said if "Total range" in text]
    assert ranges == ["min 1 to max 1"] * 2


# --- timeouts and the threshold of failures

words = st.sampled_from([None, "-7", "-1", "0", "1", "300", "soon", "", " 5", "+9", "99999999999", "1_0", "2.0"])


def number(text: str | None) -> int | None:
    body = (text or "").removeprefix("-").removeprefix("+")
    return int(text or "") if body.isascii() and body.isdigit() and abs(int(body)) < 2**31 else None


@quick
@given(words, words, words, words)
def test_timeouts(option, variable, load_option, load_variable):
    """0 or no number is not stated, then the variable counts with any number, and below 0 all time is over."""
    lines = {"predict_timeout": option, "model_loading_timeout": load_option}
    environ = {"PREDICT_TIMEOUT": variable, "MODEL_LOADING_TIMEOUT": load_variable}
    text = "".join(f"option.{key}={value.replace(' ', chr(92) + ' ')}\n" for key, value in lines.items() if value)
    model = Play(text, {key: value for key, value in environ.items() if value is not None}).load().model
    for told, said, seconds, default in (
        (option, variable, model.predict_timeout_s, 120),
        (load_option, load_variable, model.loading_timeout_s, 240),
    ):
        fallback = default if number(said) is None else number(said)
        assert seconds == (number(told) or fallback)


@pytest.mark.parametrize(
    ("line", "environ", "threshold"),
    [
        ("", {}, 10),
        ("", {"SERVING_RETRY_THRESHOLD": "0"}, 0),
        ("retry_threshold=2\n", {"SERVING_RETRY_THRESHOLD": "0"}, 2),
        ("option.retry_threshold=3\nretry_threshold=2\n", {}, 3),
        ("option.retry_threshold=-1\n", {}, -1),
        ("retry_threshold=abc\n", {}, 0),
        ("", {"SERVING_RETRY_THRESHOLD": "abc"}, 0),
    ],
)
def test_the_threshold_of_failures_is_the_models_or_the_environments(line, environ, threshold):
    """A line in config.properties does nothing, and a bad number lets a server start."""
    model = Play(line, environ).load().model
    assert [model.gives_up_after(failures) for failures in (threshold, threshold + 1)] == [False, True]


# --- degree, cores, and what a worker is told


@quick
@given(
    st.sampled_from([None, "-1", "0", "1", "2", "max"]),
    st.sampled_from([None, "0", "2", "max"]),
    st.sampled_from([0, 4]),
    st.sampled_from([None, "maxWorkers", "gpu.maxWorkers", "option.maxWorkers", "minWorkers"]),
)
def test_degrees(option, variable, cores, limit):
    """`max` is a number where there are cores; two limits of a GPU are sent only where no most is stated."""
    lines = ["load_on_devices=nc3", *([f"option.tensor_parallel_degree={option}"] if option else [])]
    lines += [f"{limit}=1"] if limit else []
    play = Play("\n".join(lines), {} if variable is None else {"TENSOR_PARALLEL_DEGREE": variable}, cores=cores)
    model = play.load().model
    numbers = [cores if text == "max" else int(text or 0) for text in (option, variable)]
    degree = next((value for value in numbers if value), 0)
    sent = model.init_properties()
    assert model.degree == degree
    assert visible_cores(Device("nc", 3), degree) == (f"3-{2 + degree}" if degree > 0 else "3")
    assert sent.get("tensor_parallel_degree") == (str(degree) if degree > 0 else option)
    unstated = limit in (None, "minWorkers")
    assert ("gpu.minWorkers" in sent) == (degree > 0 and unstated)


@pytest.mark.parametrize(
    ("lines", "order"),
    [
        (
            ["engine", "minWorkers", "maxWorkers", "foo", "model_id", "batch"],
            ["maxWorkers", "handler", "engine", "foo", "batch", "model_id", "minWorkers"],
        ),
        (
            ["engine", "minWorkers", "maxWorkers", "batch_size"],
            ["maxWorkers", "handler", "batch_size", "batchifier", "engine", "minWorkers"],
        ),
    ],
)
def test_what_a_worker_is_told_comes_in_the_recorded_order(lines, order):
    """A batch of several adds `batchifier`; maps that grow turn over what shares a place."""
    model = Play("".join(f"{key}=2\n" for key in lines).replace("engine=2", "engine=Python")).load().model
    sent = list(model.init_properties())
    assert sorted(sent) == sorted(order)
    assert sent == order


def test_the_log_shows_the_settings_of_a_model():
    """With the handler's name where the file or a variable gives one."""
    for line, environ in (("option.entryPoint=x.py\n", {}), ("", {"OPTION_ENTRYPOINT": "x.py"})):
        play = Play(line, environ)
        play.load()
        assert "\n\toption.entryPoint: x.py" in "\n".join(play.log.said)


def test_a_second_reading_as_utf8_adds_keys_and_changes_none():
    """The file is read as latin-1 for the server and as UTF-8 for the model."""
    model = Play("option.x=é\noption.é=1\n".encode()).load().model
    assert (model.options["x"], model.options["é"], model.options["Ã©"]) == ("Ã©", "1", "1")


# --- what does not load


BOTH = "model_id and s3url could not both set!"


@pytest.mark.parametrize(
    ("properties", "refusal"),
    [
        (b"option.x=\xff\n", (500, "MalformedInputException", "Input length = 1")),
        (b"option.x=\xe2\x82\n", (500, "MalformedInputException", "Input length = 2")),
        (b"option.x=\xed\xa0\n", (500, "MalformedInputException", "Input length = 2")),
        (b"option.x=\xed\xbf", (500, "MalformedInputException", "Input length = 2")),
        (b"option.x=\xed\xa0\x80\n", (500, "MalformedInputException", "Input length = 3")),
        ("option.x=\\u12\n", (500, "IllegalArgumentException", "Malformed \\uxxxx encoding.")),
        ("engine=\n", (500, "IllegalArgumentException", "Deep learning engine not found: ")),
        ("engine=python\n", (500, "IllegalArgumentException", "Deep learning engine not found: python")),
        ("engine=MPI\n", (500, "ArithmeticException", "/ by zero")),
        ("engine=DeepSpeed\n", (500, "ArithmeticException", "/ by zero")),
        ("option.mpi_mode=true\n", (500, "ArithmeticException", "/ by zero")),
        (
            "engine=MPI\noption.tensor_parallel_degree=2\n",
            (500, "EngineException", "GPU devices are not enough to run 2 partitions."),
        ),
        ("job_queue_size=0\n", (500, "IllegalArgumentException", None)),
        ("job_queue_size=-3\n", (500, "IllegalArgumentException", None)),
        ("batch_size=-1\n", (500, "IllegalArgumentException", "Illegal Capacity: -1 (batch_size)")),
        ("load_on_devices=;;\n", (500, "IllegalArgumentException", "load_on_devices=;; names no device")),
        ("required_memory_mb=99999999\n", (507, "WlmOutOfMemoryException", "No enough memory to load the model.")),
        ("load_on_devices=0\n", (500, "IllegalStateException", "No GPU device detected.")),
        ("load_on_devices=gpu\n", (500, "IllegalStateException", "No GPU device detected.")),
        ("load_on_devices=NC0\n", (500, "IllegalArgumentException", "Failed to parse device name: NC0")),
        ("minWorkers=abc\n", (500, "NumberFormatException", 'For input string: "abc"')),
        ("option.tensor_parallel_degree=MAX\n", (500, "NumberFormatException", 'For input string: "MAX"')),
        ("batch_size=x\n", (500, "NumberFormatException", 'For input string: "x"')),
        *(
            (f"option.s3url={url}\noption.model_id=x\n", (400, "MalformedModelException", BOTH))
            for url in ("s3://b/x", "/w", "")
        ),
        ("option.s3url=s3://b/x\n", (500, "EngineException", "Download model failed.")),
        ("option.model_id=s3://b/x/\n", (500, "EngineException", "Download model failed.")),
        ("option.model_id=djl://a.b/x\n", (500, "IllegalArgumentException", "ModelZoo not found in classpath: a.b")),
        ("option.entryPoint=https\n", (500, "MalformedURLException", "no protocol: https")),
        ("option.entryPoint=httpx://a/b\n", (500, "MalformedURLException", "unknown protocol: httpx")),
        ("option.entryPoint=http://127.0.0.1:1/x\n", (500, "ConnectException", "Connection refused")),
    ],
)
def test_what_does_not_load(properties, refusal):
    """Each with the status and Java's words, and nothing stays on its way."""
    play = Play(properties)
    assert play.refusal() == refusal
    assert play.registry.find("m").model.status != PENDING


@pytest.mark.parametrize("properties", ["option.s3url=/w\n", "option.s3url=\n", "s3url=s3://b/x\nmodel_id=s3://b/y\n"])
def test_what_names_no_download_loads(properties):
    assert Play(properties).load().model.status == READY


@pytest.mark.parametrize(
    ("made", "is_python"),
    [
        ("m.py", True),
        ("config.json", True),
        ("MAR-INF/", True),
        ("model.py/", False),
        ("config.json/", False),
        ("x.py", False),
    ],
)
def test_what_makes_a_folder_a_python_model(made, is_python):
    """A file of a known name, or the folder of an older server's archive; a folder of a file's name is nothing."""
    play = Play("option.entryPoint=x.py\n")
    (play.folder / "model.py").unlink()
    place = play.folder / made
    (place.mkdir if made.endswith("/") else place.touch)()
    if is_python:
        assert play.load().model.engine == "Python"
    else:
        assert play.refusal() == (404, "ModelNotFoundException", f"Failed to detect engine of the model: {play.folder}")


@pytest.fixture
def site():
    """A web server that knows one handler, and the paths that were asked of it."""
    asked: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response({"/handler": 200, "/broken": 500}.get(self.path, 404))
            self.end_headers()
            self.wfile.write(b"def handle(inputs): ...")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Site) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()
        thread.join()


def test_a_handler_behind_an_address_is_fetched_once(site, tmp_path):
    """It becomes a file of the cache; what the site refuses ends the load in Java's words."""
    url, asked = site
    environ = {"INF2LAB_CACHE": str(tmp_path)}
    for _ in range(2):
        (entry,) = Play(f"option.entryPoint={url}/handler\n", environ).load().model.entry_points.values()
        assert Path(entry).read_bytes() == b"def handle(inputs): ..."
        assert Path(entry).is_relative_to(tmp_path)
    assert asked == ["/handler"]
    assert Play(f"option.entryPoint={url}/none\n", environ).refusal() == (500, "FileNotFoundException", f"{url}/none")
    text = f"Server returned HTTP response code: 500 for URL: {url}/broken"
    assert Play(f"option.entryPoint={url}/broken\n", environ).refusal() == (500, "IOException", text)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["model.py"]


@pytest.mark.parametrize(
    ("option", "variable", "said"),
    [
        ("", None, "error=2, No such file or directory"),
        ("/nope", None, "error=2, No such file or directory"),
        ("no-such-program", None, "error=2, No such file or directory"),
        ("./nope", None, "error=2, No such file or directory"),
        ("./model.py", None, "error=13, Permission denied"),
        (None, "", "error=2, No such file or directory"),
        (None, "/nope", "error=2, No such file or directory"),
        ("./python", "/nope", None),
        (None, None, None),
    ],
)
def test_the_interpreter_of_a_worker(tmp_path, option, variable, said):
    """The option, else the variable, be they empty; a path is one from the model's folder."""
    (tmp_path / "model.py").write_text("")
    (tmp_path / "python").symlink_to(sys.executable)
    options = {} if option is None else {"pythonExecutable": option}
    environ = {} if variable is None else {"PYTHON_EXECUTABLE": variable}
    if said is None:
        assert Path(find_python(options, environ, tmp_path)).samefile(sys.executable)
        return
    with pytest.raises(ApiError) as caught:
        find_python(options, environ, tmp_path)
    assert (caught.value.status, caught.value.java_type, caught.value.message) == (500, "EngineException", said)


def test_an_engine_of_mpi_that_is_told_otherwise_loads():
    assert Play("engine=MPI\noption.mpi_mode=false\n").limits() == [("cpu()", 1, 2)]


@pytest.mark.parametrize(("devices", "said"), [("nc0", ["[nc0]", "loading model m (PENDING) on nc(0) ..."]), ("*", [])])
def test_a_bad_degree_is_noticed_where_it_is_first_needed(devices, said):
    """With devices that are named, when the model is loaded on the first of them."""
    play = Play(f"load_on_devices={devices}\noption.tensor_parallel_degree=two\n")
    assert play.refusal() == (500, "NumberFormatException", 'For input string: "two"')
    assert [text.rpartition(":")[2] for text in play.log.said if text.lower().startswith("loading")] == said


def test_a_batch_of_less_than_nothing():
    """NEGATIVE_BATCH_ENDS_WORKERS, on: it loads, and its workers end before their first request."""
    play = Play("batch_size=-1\n", original=frozenset(Switch))

    async def loaded() -> list[bool]:
        entry = play.registry.add(Registration("m", str(play.folder)))
        await play.registry.load(entry)
        for _ in range(10):
            await asyncio.sleep(0)
        return [worker.state.alive for worker in entry.pool.workers]

    assert asyncio.run(loaded()) == [False]
    assert play.registry.find("m").health == "Healthy"  # the dead still count


@pytest.mark.parametrize(
    ("versions", "refused"),
    [
        ((None, None), "Workflow m is already registered."),
        (("v1", "v1"), "Workflow m:v1 is already registered."),
        (("v1", None), "Workflow m is already registered."),
        ((None, "v1"), None),
        (("v1", "v2"), None),
    ],
)
def test_names_that_are_taken(versions, refused):
    """A version is taken by itself, and no version by any."""
    play = Play()
    first, second = (Registration("m", str(play.folder), version) for version in versions)
    play.registry.add(first)
    if refused is None:
        assert play.registry.add(second)
    else:
        with pytest.raises(ApiError) as caught:
            play.registry.add(second)
        assert (caught.value.status, caught.value.message) == (409, refused)


@quick
@given(st.lists(st.sampled_from(["+", "+a", "+b", "+default", "-", "-a", "-b", "-default"]), max_size=8))
def test_a_model_without_a_version_is_called_default_until_another_is_removed(steps):
    """Names are given and taken away beside a list and a map as the original keeps them."""
    registry, kept, places = Play().registry, list[str | None](), dict[str, int]()

    async def played() -> None:
        for step in steps:
            version = step[1:] or None
            if step[0] == "+":
                taken = bool(kept) if version is None else version in places
                with pytest.raises(ApiError) if taken else nullcontext():
                    registry.add(Registration("m", "/m", version, at_startup=True))
                if not taken:
                    places[version or "default"] = len(kept)
                    kept.append(version)
            else:
                known = version in places if version else bool(kept)
                assert registry.remove("m", version) == known
                if known:
                    kept[:] = [] if version is None else [v for i, v in enumerate(kept) if i != places[version]]
                    places.clear()
                    places.update({v: i for i, v in enumerate(kept) if v is not None})
                    assert "m" not in registry.startup
            for name in ("a", "b", "default"):
                found = registry.find("m", name)
                assert (found.model.version if found else "no") == (kept[places[name]] if name in places else "no")

    asyncio.run(played())


def test_one_version_is_removed_while_another_is_on_its_way():
    """They were told apart by all that they hold, of which one on its way has not all."""
    registry = Play().registry
    for version in ("a", "b"):
        registry.add(Registration("m", "/m", version))

    async def removed() -> bool:
        return registry.remove("m", "b")

    assert asyncio.run(removed())
    assert [entry.model.version for entry in registry.endpoints["m"].entries] == ["a"]


def test_requests_without_a_version_go_round_from_the_first():
    """What came while there was one version moves nothing."""
    registry = Play().registry
    registry.add(Registration("m", "/m", "a"))
    turns = [registry.find("m", rotate=True) for _ in range(3)]
    registry.add(Registration("m", "/m", "b"))
    turns += [registry.find("m", rotate=True) for _ in range(3)]
    assert [entry.model.version for entry in turns] == ["a", "a", "a", "a", "b", "a"]


def test_what_the_server_started_with_is_a_name():
    """A version that comes later is described so, too; once one was removed, none is."""
    play = Play()
    for version in ("a", "b"):
        play.registry.add(Registration("m", "/m", version, at_startup=version == "a"))

    async def described() -> list[bool]:
        answer = await play.management.describe(Request("GET", "/models/m", []))
        return [entry["models"][0]["loadedAtStartup"] for entry in json.loads(answer.body)]

    async def removed() -> list[bool]:
        await play.management.unregister(Request("DELETE", "/models/m/a", []))
        return await described()

    assert (asyncio.run(described()), asyncio.run(removed())) == ([True, True], [False])


@pytest.mark.parametrize(
    ("kind", "is_json"),
    [
        ("application/json", True),
        ("APPLICATION/json; charset=utf-8", True),
        ("application/json ; charset=utf-8", False),
        ("application/jsonx", False),
        ("text/plain;application/json", False),
    ],
)
def test_the_type_of_a_registration_ends_at_its_semicolon(kind, is_json):
    """A blank before it belongs to the type, which is none that is known."""
    play = Play()
    body = json.dumps({"url": str(play.folder), "model_name": "m"}).encode()
    request = Request("POST", "/models", [("Content-Type", kind)], body)
    if is_json:
        assert asyncio.run(play.management.register(request)).status == 200
        return
    with pytest.raises(ApiError, match=r"Parameter url is required\."):
        asyncio.run(play.management.register(request))


# --- a device that is named when the model already serves


@quick
@given(
    st.sampled_from(["nc0", "zz", "cpu", "cpu5", "0", "gpu", "NC", " nc0", "nc99999999999"]),
    st.sampled_from([None, "-1", "0", "1", "2"]),
    st.sampled_from([None, "-1", "0", "1", "3"]),
)
def test_scaling_on_a_device(name, low, high):
    """A new device gets the model's own limits, then those that are asked; the other devices keep theirs."""
    play = Play("minWorkers=1\nmaxWorkers=2\nload_on_devices=cpu\n")
    asked = {"device": name.replace(" ", "%20"), "min_worker": low, "max_worker": high}
    query = "&".join(f"{key}={value}" for key, value in asked.items() if value is not None)

    async def scaled() -> dict[str, tuple[int, int]]:
        entry = play.registry.add(Registration("m", str(play.folder)))
        await play.registry.load(entry)
        await play.management.scale(Request("PUT", f"/models/m?{query}", []))
        return {str(group.device): (group.min_workers, group.max_workers) for group in entry.pool.groups.values()}

    refusals = {
        "0": (500, "IllegalStateException", "No GPU device detected."),
        "gpu": (500, "IllegalStateException", "No GPU device detected."),
        "NC": (500, "IllegalArgumentException", "Failed to parse device name: NC"),
        " nc0": (500, "IllegalArgumentException", "Failed to parse device name:  nc0"),
        "nc99999999999": (400, "BadRequestException", 'For input string: "99999999999"'),
    }
    if name in refusals:
        with pytest.raises(ApiError) as caught:
            asyncio.run(scaled())
        assert (caught.value.status, caught.value.java_type, caught.value.message) == refusals[name]
        return
    least, most = (1 if low in (None, "-1") else int(low)), (2 if high in (None, "-1") else int(high))
    device = str(parse_device(name))
    assert asyncio.run(scaled()) == {"cpu()": (1, 2)} | {device: (least, most)}


def test_a_device_on_which_there_is_no_handler():
    """Built-in code stands for one on NeuronCores only; the original's scaling tells of a wrapper's class."""
    play = Play("engine=Python\noption.tensor_parallel_degree=2\n", cores=2)
    (play.folder / "model.py").unlink()
    play.load()
    with pytest.raises(ApiError) as caught:
        asyncio.run(play.management.scale(Request("PUT", "/models/m?device=cpu", [])))
    error = caught.value
    assert (error.status, error.java_type) == (500, "CompletionException")
    assert error.message == f".py file not found in: {play.folder}"
    assert "FileNotFoundException" in str(error.__cause__)


# --- a failure between two states

STEPS: list[tuple[type | object, str]] = [
    (ModelInfo, "configure"),
    (ModelInfo, "devices"),
    (ModelInfo, "load"),
    (ModelInfo, "worker_range"),
    (Registry, "_limit"),
    (Registry, "_check_memory"),
    (registry_module, "parse_device"),
    (PlayedFactory, "start"),
]
FAULTS = [ApiError(500, "X", "x"), OSError("disk"), ValueError("bug"), asyncio.CancelledError(), MemoryError()]


@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[step for _, step in STEPS])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("synchronous", ["true", "false"])
def test_whatever_ends_a_load_leaves_nothing_on_its_way(monkeypatch, owner, step, fault, synchronous):
    """A fault at each step of a load: the name is free again, or the model has failed and says so."""
    play = Play("")
    late: list[object] = []

    def fails(*_: object, **__: object) -> object:
        raise fault

    async def send_late(response: object) -> None:
        late.append(response)

    async def asked() -> None:
        target = f"/models?url={play.folder}&model_name=m&synchronous={synchronous}"
        request = Request("POST", target, [], send_late=send_late)
        try:
            await play.management.register(request)
        except (Exception, asyncio.CancelledError) as error:
            late.append(error)
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)

    monkeypatch.setattr(owner, step, fails)
    asyncio.run(asked())
    entry = play.registry.find("m")
    assert entry is None if synchronous == "true" else entry.model.status != PENDING
    if not isinstance(fault, asyncio.CancelledError):
        assert late, "somebody is told"
