"""What a machine's own server gives away by default: nothing to web pages of other sites, and no secret to a log."""

from __future__ import annotations

import pytest

from rehearsal.server.api.gate import Gate
from rehearsal.server.environment import without_secrets
from rehearsal.server.errors import ApiError
from rehearsal.server.wire.requests import Request

SECRETS = {
    "HF_TOKEN": "hf_made-up",
    "SERVING_DB_PASSWORD": "made-up",
    "DJL_ACCESS_KEY": "made-up",
    "SAGEMAKER_CREDENTIALS": "made-up",
    "OPTION_HF_TOKEN": "hf_made-up",
    "OPTION_ENV": "HF_TOKEN=hf_made-up,PLAIN=7",
    "PYTHON_INDEX": "https://me:made-up@example.org/simple",
}
PAGES = [  # what a browser says of a page, or of a name that leads to this machine
    {"Host": "evil.example"},
    {"Host": "evil.example:8080"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost.evil.example"},
    {"Host": "10.1.2.3:8080"},
    {"Host": "[::2]:8080"},
    {"Host": "::1"},
    {"Host": "localhost:8080@evil.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "https://evil.example:8443"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:8080@evil.example"},
    {"Origin": "http://evil"},
    {"Origin": "null"},
    {"Origin": "chrome-extension://localhost"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "cross-site"},
    {"SEC-FETCH-SITE": "Cross-Site", "Sec-Fetch-Mode": "no-cors"},
]
PROGRAMS = [
    {},  # as HTTP/1.0 allows
    {"Host": "127.0.0.1"},
    {"Host": "127.0.0.1:43211"},  # a tunnel's other end
    {"Host": "LOCALHOST:8888", "Origin": "http://localhost:8888", "Sec-Fetch-Site": "same-origin"},  # by JupyterLab
    {"Host": "[::1]:8080", "Origin": "http://[::1]:8080"},
    {"Host": "djl:8080"},  # a name that Docker Compose gives
    {"Host": "host.docker.internal:8080", "User-Agent": "Prometheus/2.53"},
    {"Host": "127.0.0.1:8080", "Origin": "http://localhost:3000", "Sec-Fetch-Site": "cross-site"},
    {"Host": "127.0.0.1:8080", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
]


def refuses(gate, headers):
    try:
        gate(Request("POST", "/models", list(headers.items())))
    except ApiError as error:
        return error.status
    return None


@pytest.mark.parametrize("headers", PAGES, ids=str)
def test_a_page_of_another_site_is_refused(headers):
    assert refuses(Gate("127.0.0.1"), headers) == 403
    assert refuses(Gate("127.0.0.1", "*"), headers) is None


@pytest.mark.parametrize("headers", PROGRAMS, ids=str)
def test_a_program_of_this_machine_is_let_in(headers):
    assert refuses(Gate("127.0.0.1"), headers) is None


def test_a_site_that_is_named_is_let_in():
    gate = Gate("127.0.0.2", "https://hub.example.org, http://other.example:8000/")
    for headers in (
        {"Host": "hub.example.org", "Origin": "https://hub.example.org"},
        {"Origin": "http://OTHER.example:8000", "Sec-Fetch-Site": "cross-site"},
        {"Host": "127.0.0.2:8080"},
    ):
        assert refuses(gate, headers) is None
    assert refuses(gate, {"Origin": "http://other.example"}) == 403
    assert refuses(gate, {"Host": "127.0.0.1", "Origin": "http://evil.example"}) == 403


@pytest.fixture(scope="module", params=["off", "on"], ids=["default", "strict"])
def server(request, module_start, model, tmp_path_factory):
    store = tmp_path_factory.mktemp("gate") / "s"
    model(store, "echo", properties="engine=Python\nminWorkers=0\nmaxWorkers=1\noption.api_key=made-up\n")
    found = module_start(store, "--strict", request.param, env=SECRETS)
    found.is_strict = request.param == "on"
    return found


@pytest.mark.parametrize("headers", PAGES, ids=str)
def test_no_route_answers_a_page(server, headers):
    """WEB_PAGES_ARE_LET_IN, off and on."""
    expected = 200 if server.is_strict else 403
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    assert server.raw(f"GET /models HTTP/1.1\r\n{lines}\r\n".encode()).status == expected
    answer = server.raw(f"OPTIONS / HTTP/1.1\r\n{lines}\r\n".encode())
    assert (answer.status, answer.header("access-control-allow-origin")) == (expected, None)


def test_what_a_page_asks_for_does_not_happen(server):
    form = {"Origin": "http://evil.example", "Content_Type": "application/x-www-form-urlencoded"}
    url = f"file://{server.store}/echo"
    said = server.send("POST", f"/models?url={url}&model_name=evil{server.is_strict}&min_worker=0", **form)
    assert said.status == (200 if server.is_strict else 403)
    names = [row["modelName"] for row in server.send("GET", "/models").json()["models"]]
    assert names == (["echo", "evilTrue"] if server.is_strict else ["echo"])


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/models?url=file://{}/echo&model_name=many"), ("PUT", "/models/echo?")]
)
@pytest.mark.parametrize("asked", ["min_worker=30", "max_worker=17", "min_worker=17&max_worker=17"])
def test_a_request_starts_no_more_workers_than_a_laptop_bears(server, method, path, asked):
    """WORKERS_UNLIMITED, off; nobody starts so many for the test's sake."""
    if not server.is_strict:  # strictly it would start them
        said = server.send(method, f"{path.format(server.store)}&{asked}")
        assert (said.status, "at most 16" in said.json()["message"]) == (400, True)
        assert not any("Start process" in line for line in server.log)


def test_secrets_are_not_in_the_log(server):
    """SECRETS_ARE_LOGGED, off and on."""
    log = "\n".join(server.log)
    assert ("made-up" in log) == server.is_strict
    for name in SECRETS:
        assert name in log or name.startswith("OPTION_"), "that it is set is no secret"
    if not server.is_strict:
        assert "\tHF_TOKEN: ***" in log
        assert "\toption.api_key: ***" in log
        assert "\toption.env: HF_TOKEN=***,PLAIN=7" in log
        assert "\tPYTHON_INDEX: https://***@example.org/simple" in log


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("HF_TOKENS", "ab,c", "***"),
        ("option.accessKey", "v...", "***"),
        ("mystery_key", "1", "1"),
        ("OPTION_APIKEY", "", ""),
        ("option.tokenizer", "/models/t", "/models/t"),
        ("TOKENIZERS_PARALLELISM", "false", "false"),
        ("option.max_new_tokens", "128", "128"),
        ("x", '{"hf_token": "abcd", "n": 3}', '{"hf_token": "***", "n": 3}'),
        ("x", '{\\"hf_token\\": \\"abcd\\"}', '{\\"hf_token\\": \\"***\\"}'),
        ("x", "max_new_tokens=12&api_key=zzzz&b=1", "max_new_tokens=12&api_key=***&b=1"),
        ("command", "-m a=s3://k:s@b/c", "-m a=s3://***@b/c"),
    ],
)
def test_what_of_a_value_is_shown(name, value, shown):
    assert without_secrets(name, value) == shown


def test_a_model_s_address_is_logged_without_its_password(start, tmp_path):
    server = start(tmp_path, "-m", "m=s3://me:made-up@bucket/m", wait=False)
    assert server.ended() == 1
    assert "m=s3://***@bucket/m" in "\n".join(server.log)
    assert "made-up" not in "\n".join(server.log)


def test_a_server_that_is_not_on_loopback_says_so_and_asks_nobody_where_he_is_from(start, tmp_path):
    (tmp_path / "s").mkdir()
    server = start(tmp_path / "s", "--host", "0.0.0.0", wait=False)
    server.port = int(server.wait_for(r"BOTH API bind to: http://0\.0\.0\.0:(\d+)")[1])
    assert server.raw(b"GET /models HTTP/1.1\r\nHost: evil.example\r\n\r\n").status == 200
    assert sum("is not loopback" in line for line in server.log) == 1
