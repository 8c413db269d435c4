"""Registering, listing, describing, scaling and removing models while the server runs."""

from __future__ import annotations

import sys

import pytest

ONE = "engine=Python\nminWorkers=1\nmaxWorkers=1\n"
BAD = """
def handle(inputs):
    if inputs.is_empty():
        raise RuntimeError("cannot load weights")
"""


@pytest.fixture(scope="module")
def echoes(module_start, model, tmp_path_factory):
    """One server that starts with `echo`, for all tests here."""
    folder = tmp_path_factory.mktemp("management")
    for name in ("echo", "other"):
        model(folder / "s", name, properties=ONE)
    model(folder / "s", "bad", BAD, ONE)
    model(folder / "outside", "secret", properties=ONE)
    return module_start(folder / "s", "-m", f"echo=file://{folder}/s/echo")


@pytest.fixture
def server(echoes):
    """The server, left with its one model."""
    yield echoes
    for name in {model["modelName"] for model in echoes.send("GET", "/models").json()["models"]} - {"echo"}:
        echoes.send("DELETE", f"/models/{name}")


def url(server, name, root=None):
    return f"file://{root or server.store}/{name}"


def test_register_predict_describe_remove(server):
    said = server.send("POST", f"/models?url={url(server, 'other')}&model_version=v1&min_worker=1&max_worker=1")
    assert (said.status, said.json()) == (200, {"status": 'Model "other" registered.'})
    again = server.send("POST", f"/models?url={url(server, 'other')}&model_version=v1")
    assert (again.status, again.reason) == (409, "Workflow other:v1 is already registered.")
    assert server.send("POST", "/predictions/other/v1", b"[1]").status == 200
    described = server.send("GET", "/models/other/v1").json()[0]
    assert (described["workflowName"], described["version"]) == ("other", "v1")
    assert not described["models"][0]["loadedAtStartup"]
    listed = server.send("GET", "/models").json()["models"]
    assert [(m["modelName"], m.get("version")) for m in listed] == [("echo", None), ("other", "v1")]
    # the only start-up model still answers /invocations
    assert server.send("POST", "/invocations", b"[2]").body == b"[\n  2\n]"
    assert server.send("DELETE", "/models/other").json() == {"status": 'Model or workflow "other" unregistered'}
    assert server.send("DELETE", "/models/other").status == 404
    assert server.send("POST", "/predictions/other", b"[1]").status == 404


def test_register_later_and_fail_later(server):
    said = server.send("POST", f"/models?url={url(server, 'other')}&model_name=later&synchronous=false")
    assert (said.status, said.json()) == (202, {"status": 'Model "later" registration scheduled.'})
    server.wait_for(r"Model \[later\] initialized")
    with server.open() as client:
        client.sendall(f"POST /models?url={url(server, 'bad')}&synchronous=false HTTP/1.1\r\n\r\n".encode())
        data = b""
        while data.count(b"HTTP/1.1 ") < 2 or not data.endswith(b"}\n"):
            data += client.recv(4096)
    assert data.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert b"HTTP/1.1 500 Internal Server Error\r\n" in data
    assert server.send("GET", "/ping").json()["bad"] == {"status": "Unhealthy"}


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("def handle(inputs):\n    raise MemoryError('13 GB')\n", 507, "OOM"),
        ("def handle(inputs):\n    return Output(code=507, message='13 GB')\n", 507, "OOM"),
        ("import os\nos.kill(os.getpid(), 9)\n", 500, "Python stream closed unexpectedly, exit code: 137"),
        ("import os\nos.kill(os.getpid(), 11)\n", 500, "Python stream closed unexpectedly, exit code: 139"),
        ("import os\nos._exit(3)\n", 500, "Python stream closed unexpectedly, exit code: 3"),
    ],
)
def test_a_load_that_takes_too_much_memory(server, model, code, status, said):
    """As DJLServing 0.25 (asked 2026-11-29); 137 is what the kernel leaves when it is out of memory."""
    folder = model(server.store, f"large{len(code)}", code, ONE + f"option.pythonExecutable={sys.executable}\n")
    answer = server.send("POST", f"/models?url=file://{folder}")
    assert (answer.status, answer.json()) == (status, {"code": status, "type": "EngineException", "message": said})


def test_refused_registrations(server):
    assert server.send("POST", "/models").reason == "Parameter url is required."
    missing = server.send("POST", f"/models?url={url(server, 'none')}")
    assert (missing.status, missing.json()["message"]) == (404, f"Invalid model url: {url(server, 'none')}")
    for wrong in ("http://[::1", "%00", "s3://bucket/key"):
        assert server.send("POST", f"/models?url={wrong}").json()["type"] == "IllegalArgumentException", wrong
    failed = server.send("POST", f"/models?url={url(server, 'bad')}")
    assert (failed.status, failed.json()["type"]) == (500, "EngineException")
    assert failed.json()["message"] == "Failed to initialize model: prediction failure"
    assert server.send("GET", "/models/bad").status == 404
    number = server.send("POST", f"/models?url={url(server, 'other')}&batch_size=x")
    assert (number.status, number.json()["type"]) == (500, "NumberFormatException")
    no_name = server.send("POST", "/models", {"url": url(server, "other")}, Content_Type="application/json")
    assert (no_name.status, no_name.json()) == (500, {"code": 500, "type": "NullPointerException"})
    body = {"url": url(server, "other"), "model_name": "named", "min_worker": 1, "max_worker": 1}
    assert server.send("POST", "/models", body, Content_Type="application/json").json() == {
        "status": 'Model "named" registered.'
    }


@pytest.mark.parametrize(("strict", "statuses"), [("off", {400}), ("on", {500})])
def test_json_that_registers_nothing(start, tmp_path, strict, statuses):
    """JSON_ERRORS_ARE_JAVAS, off and on."""
    (tmp_path / "s").mkdir()
    server = start(tmp_path / "s", "--strict", strict)
    for body in (b"{", b"", b"[]", b'{"model_name": "m"}'):
        said = server.send("POST", "/models", body, Content_Type="application/json")
        assert {said.status} == statuses, body
    large = server.send("POST", "/models", b'{"x": "' + b"y" * 70_000 + b'"}', Content_Type="application/json")
    assert (large.status, large.reason[:28]) == (400, "the JSON body has 70009 byte")


@pytest.mark.parametrize("synchronous", ["true", "false"])
def test_a_properties_file_that_cannot_be_read_leaves_no_model_on_its_way(server, model, synchronous):
    folder = model(server.store, f"broken-{synchronous}", properties="batch_size=\\u00zz\n")
    with server.open() as client:
        client.sendall(f"POST /models?url=file://{folder}&synchronous={synchronous} HTTP/1.1\r\n\r\n".encode())
        data = b""
        while b'"IllegalArgumentException"' not in data:
            data += client.recv(4096)
    assert b"Malformed" in data
    states = server.send("GET", "/ping").json()
    assert states.get(f"broken_{synchronous}", {"status": "gone"})["status"] == (
        "gone" if synchronous == "true" else "FAILED"
    )


def test_a_folder_outside_the_store_is_not_run(server):
    outside, before = server.store.parent / "outside", server.workers()
    for wanted in (url(server, "secret", outside), f"file://{server.store}/../outside/secret", str(outside / "secret")):
        said = server.send("POST", f"/models?url={wanted}")
        assert said.status == 400
        assert "is outside the model store" in said.json()["message"]
    assert server.workers() == before


def test_methods(server):
    for method, path in [
        ("PUT", "/models"),
        ("DELETE", "/models"),
        ("POST", "/models/echo"),
        ("PATCH", "/models/echo"),
    ]:
        assert server.send(method, path).json()["type"] == "MethodNotAllowedException"


def test_paging(server):
    server.send("POST", f"/models?url={url(server, 'other')}")
    assert server.send("GET", "/models?limit=1").json()["nextPageToken"] == "1"
    assert [m["modelName"] for m in server.send("GET", "/models?limit=1&next_page_token=1").json()["models"]] == [
        "other"
    ]
    assert server.send("GET", "/models?limit=0").json() == {"nextPageToken": "0", "models": []}
    assert server.send("GET", "/models?next_page_token=9").json() == {"models": []}
    assert server.send("GET", "/models?limit=abc").status == 500
    assert server.send("GET", "/models?limit=").json().keys() == {"models"}  # as if it were not there
    assert server.send("GET", "/models?limit=101&next_page_token=-5").json().keys() == {"models"}
    assert server.send("GET", "/models?next_page_token=2147483647").json() == {  # Java's int runs over
        "nextPageToken": "-2147483549",
        "models": [],
    }
    assert server.send("GET", "/workflows").json()["workflows"] == [{"workflowName": "echo"}, {"workflowName": "other"}]


def test_scaling(server):
    said = server.send("PUT", "/models/echo?min_worker=2&max_worker=3")
    text = 'Workflow "echo" worker scaled. New Worker configuration min workers:2 max workers:3'
    assert said.json() == {"status": text}
    assert _states(server) == ["READY", "READY"]
    assert server.send("PUT", "/models/echo?min_worker=0&max_worker=0").status == 200
    assert _states(server) == ["UNLOADING", "UNLOADING"]
    none = server.predict("echo")
    assert (none.status, none.json()["message"]) == (503, "All model workers has been shutdown: echo (READY)")
    assert server.send("PUT", "/models/echo?min_worker=1&max_worker=1").status == 200
    assert server.predict("echo").status == 200
    wrong = server.send("PUT", "/models/echo?min_worker=abc")
    assert (wrong.status, wrong.reason) == (400, 'parameter is invalid number.For input string: "abc"')
    assert server.send("PUT", "/models/zz?min_worker=1").json()["message"] == "Model or workflow not found: zz"


def test_scaling_without_a_version_scales_all(server):
    for version in ("v1", "v2"):
        server.send("POST", f"/models?url={url(server, 'other')}&model_version={version}&max_worker=1")
    said = server.send("PUT", "/models/other?min_worker=2&max_worker=2").json()
    one = 'Workflow "other" worker scaled. New Worker configuration min workers:2 max workers:2'
    assert said == {"status": f"{one}\n{one}"}
    assert server.send("PUT", "/models/other/v1?min_worker=1").json()["status"].count("\n") == 0
    described = server.send("GET", "/models/other").json()
    counts = [[w["status"] for w in d["models"][0]["workerGroups"][0]["workers"]].count("READY") for d in described]
    assert counts == [1, 2]
    assert server.send("PUT", "/models/other/v9?min_worker=1").status == 404
    assert server.send("PUT", "/models/nope?min_worker=x").status == 400  # numbers are read first


def test_unknown_models(server):
    assert server.send("GET", "/models/nope").json()["message"] == "Workflow not found: nope"
    assert server.send("GET", "/models/echo/v9").json()["message"] == "Workflow not found: Workflow not found: echo/v9"


def test_separate_addresses(start, model, tmp_path, free_port):
    model(tmp_path / "s", "echo", properties=ONE)
    server = start(tmp_path / "s", env={"SERVING_MANAGEMENT_ADDRESS": f"http://127.0.0.1:{free_port}"})
    server.wait_for("MANAGEMENT API bind to")
    assert server.send("GET", "/models").status == 404
    assert server.predict("echo").status == 200
    server.port = free_port
    assert server.send("GET", "/models").status == 200
    assert server.send("GET", "/ping").status == 404
    assert server.predict("echo").status == 404


def _states(server):
    group = server.send("GET", "/models/echo").json()[0]["models"][0]["workerGroups"][0]
    return [worker["status"] for worker in group["workers"]]
