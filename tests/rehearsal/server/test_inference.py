"""What a client of the inference API sees, with the statuses, headers and bodies recorded from DJLServing 0.25."""

from __future__ import annotations

import re

import pytest

CACHE_HEADERS = [
    ("Pragma", "no-cache"),
    ("Cache-Control", "no-cache; no-store, must-revalidate, private"),
    ("Expires", "Thu, 01 Jan 1970 00:00:00 UTC"),
]
FAILED = '{{\n  "code":424,\n  "message":"prediction failure",\n  "error":"{}"\n}}'


def java_error(status: int, java_type: str, message: str) -> bytes:
    return f'{{\n  "code": {status},\n  "type": "{java_type}",\n  "message": "{message}"\n}}\n'.encode()


NO_RESOURCE = java_error(
    404, "ResourceNotFoundException", "Requested resource is not found, please refer to API document."
)


def test_the_articles_request(zoo):
    body = {"seq_length": 2048, "text": ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]}
    answer = zoo.predict("text_list", body)
    assert (answer.status, answer.reason, answer.after) == (200, "OK", "open")
    assert answer.body.decode() == (
        '[\n  "Hello, I am a language model, <2048>",\n  "Welcome to Amazon Elastic Compute Cloud, <2048>"\n]'
    )


def test_header_names_order_and_spelling(zoo):
    answer = zoo.predict("echo", b'{"a":1}')
    (name, request_id), *rest = answer.headers
    assert name == "x-request-id"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request_id)
    assert rest == [*CACHE_HEADERS, ("content-length", "11"), ("connection", "keep-alive")]
    assert answer.body == b'{\n  "a":1\n}'


def test_ping_lists_all_models(zoo):
    for method, path in [("GET", "/ping"), ("POST", "/ping/"), ("OPTIONS", "/ping?x=1"), ("DELETE", "/ping")]:
        answer = zoo.send(method, path)
        assert answer.status == 200
        assert answer.header("content-type") == "application/json"
        names = {"echo", "text_list", "inspect", "fails", "props", "stream"}
        assert answer.json() == {name: {"status": "Healthy"} for name in names}
    assert zoo.send("GET", "/ping").body.endswith(b"}\n")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("GET", "/nope"),
        ("POST", "/predictions"),
        ("POST", "/predictions/"),
        ("GET", "/metrics"),
        ("GET", "/pings"),
    ],
)
def test_no_such_route(zoo, method, path):
    answer = zoo.send(method, path)
    assert (answer.status, answer.reason, answer.body, answer.after) == (404, "Not Found", NO_RESOURCE, "reset")
    assert answer.header("connection") == "close"


@pytest.mark.parametrize(
    "path", ["/predictions/zzz", "/predictions/text-list", "/predictions/echo/9", "/models/zzz/invoke"]
)
def test_unknown_model(zoo, path):
    name = path.split("/")[2]
    answer = zoo.send("POST", path, b"{}")
    assert answer.status == 404
    assert answer.body == java_error(404, "ModelNotFoundException", f"Model or workflow not found: {name}")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"a": ', "Expecting value: line 1 column 7 (char 6)"),
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b"{'a': 1}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ],
)
def test_malformed_json_is_the_handlers_failure(zoo, body, error):
    answer = zoo.predict("echo", body)
    assert (answer.status, answer.reason, answer.after) == (424, "prediction failure", "reset")
    assert answer.header("content-type") == "application/json"
    assert answer.body.decode() == FAILED.format(error)


def test_handler_errors(zoo):
    assert zoo.predict("text_list", {"text": ["a"]}).body.decode() == FAILED.format("'seq_length'")
    assert zoo.predict("fails", {"kind": "raise"}).body.decode() == FAILED.format("boom: bad value")
    assert zoo.predict("fails", {"kind": "dict"}).body.decode() == FAILED.format("Invalid output type: <class 'dict'>")
    none = zoo.predict("fails", {"kind": "none"})
    assert (none.status, none.reason, none.header("content-length"), none.after) == (204, "No content", None, "open")
    oom = zoo.predict("fails", {"kind": "oom"})
    assert (oom.status, oom.reason, oom.body) == (507, "ran out", b"")
    own = zoo.predict("fails", {"kind": "error"})
    assert (own.status, own.reason) == (418, "my message")
    assert own.json() == {"code": 418, "message": "my message", "error": "my error text"}


def test_codes_and_reasons_of_a_handler(zoo):
    for code, message, after in [
        (202, "", "open"),
        (99, "custom", "open"),
        (400, "custom", "reset"),
        (507, "full", "reset"),
    ]:
        answer = zoo.predict("fails", {"kind": {"code": code, "message": message}})
        assert (answer.status, answer.reason, answer.body, answer.after) == (code, message, b"body here", after)
    for code, length in [(204, None), (205, "0")]:  # HTTP gives these no body, whatever a handler adds
        empty = zoo.predict("fails", {"kind": {"code": code, "message": "custom"}})
        assert (empty.status, empty.reason, empty.body, empty.after) == (code, "custom", b"", "open")
        assert empty.header("content-length") == length
    broken = zoo.predict("fails", {"kind": {"code": 500, "message": "line1\nline2"}})
    assert broken.status == 500
    assert broken.body == java_error(
        500,
        "IllegalArgumentException",
        r"reasonPhrase contains one of the following prohibited characters: \\r\\n: line1\nline2",
    )


def test_headers_of_a_handler_come_first_and_sorted(zoo):
    wanted = {"X-My-Header": "abc", "content-type": "text/csv", "Pragma": "mine", "Content-Length": "999"}
    answer = zoo.predict("props", {"headers": wanted, "contents": ["a,b", "second"]})
    assert answer.headers[:2] == [("content-type", "text/csv"), ("X-My-Header", "abc")]
    assert answer.body == b"a,b"
    assert [v for k, v in answer.headers if k.lower() in ("pragma", "content-length")] == ["no-cache", "3"]


def test_a_handler_cannot_split_the_response(zoo):
    answer = zoo.predict("props", {"headers": {"X-A": "1\r\nSet-Cookie: x=1"}, "contents": ["x"]})
    assert answer.status == 500
    assert answer.header("set-cookie") is None


def test_what_the_handler_sees(zoo):
    seen = zoo.send(
        "POST",
        "/predictions/inspect?top_k=3&top_k=4&z=",
        b'{"q": 1}',
        Content_Type="application/json",
        X_A="1",
        x_a="2",
        X_Amzn_SageMaker_Custom_Attributes="a=1; b=2;c",
    ).json()
    assert seen["content"] == [["top_k", "3"], ["top_k", "4"], ["z", ""], ["data", '{"q": 1}']]
    folder = str(zoo.store / "inspect")
    assert list(seen["properties"].items()) == [
        ("a", "1"),
        ("b", "2"),
        ("Content-Length", "8"),
        ("Content-Type", "application/json"),
        ("handler", "handle"),
        ("Host", "x"),
        ("X-A", "2"),
        ("device_id", "-1"),
        ("model_dir", folder),
    ]
    assert seen["init"] == {
        "engine": "Python",
        "entryPoint": "model.py",
        "minWorkers": "1",
        "maxWorkers": "1",
        "dtype": "fp16",
        "foo": "bar",
        "handler": "handle",
        "device_id": "-1",
        "model_dir": folder,
    }
    assert seen["cwd"] == folder
    assert (seen["env"]["MY_A"], seen["env"]["MY_B"]) == ("1", "2")
    assert "NEURON_RT_VISIBLE_CORES" not in seen["env"]


def test_the_worker_runs_as_djl_starts_it(zoo):
    seen = zoo.predict("inspect").json()
    engine, *args = seen["argv"]
    assert engine.endswith("/djl_python_engine.py")
    assert args[0:3:2] == ["--sock-type", "--sock-name"]
    assert args[4:] == ["--model-dir", str(zoo.store / "inspect"), "--entry-point", "model.py", "--device-id", "-1"]
    assert len(args[3].encode()) <= 100  # macOS allows 104 bytes in a socket's path
    folders = seen["env"]["PYTHONPATH"].split(":")
    assert folders[-4] == engine.removesuffix("/djl_python_engine.py")
    assert [folder.rsplit("/", 2)[1:] for folder in folders[-3:-1]] == [
        ["rehearsal", "neuron"],
        [folders[-2].rsplit("/", 2)[1], "lib"],
    ]
    assert folders[-1] == str(zoo.store / "inspect")


@pytest.mark.parametrize(
    ("content_type", "body", "content"),
    [
        ("application/x-www-form-urlencoded", b"a=1&b=two+x%21", [["a", "1"], ["b", "two x!"]]),
        (
            "multipart/form-data; boundary=BB",
            b'--BB\r\nContent-Disposition: form-data; name="f"\r\n\r\nv\r\n--BB\r\nContent-Disposition: form-data; '
            b'name="data"; filename="f.json"\r\nContent-Type: application/json\r\n\r\n{"x": 1}\r\n--BB--\r\n',
            [["f", "v"], ["data", '{"x": 1}']],
        ),
        ("multipart/form-data", b"--BB no boundary", [["data", "--BB no boundary"]]),
        ("application/octet-stream", bytes(range(9)), [["data", "".join(map(chr, range(9)))]]),
    ],
)
def test_bodies_by_content_type(zoo, content_type, body, content):
    assert zoo.send("POST", "/predictions/inspect", body, Content_Type=content_type).json()["content"] == content


@pytest.mark.parametrize("body", [b'{"seq_length": 2048, "text": ["Hello"]}', b""])
def test_json_sent_as_a_form_looks_like_the_init_call(zoo, body):
    answer = zoo.send("POST", "/predictions/text_list", body, Content_Type="application/x-www-form-urlencoded")
    assert (answer.status, answer.reason, answer.body) == (204, "No content", b"")


def test_get_carries_the_query_and_an_empty_body(zoo):
    assert zoo.raw(b"GET /predictions/echo?data=%7B%22a%22%3A1%7D HTTP/1.1\r\n\r\n").body == b'{\n  "a":1\n}'
    seen = zoo.raw(b"GET /predictions/inspect?a=1 HTTP/1.1\r\n\r\n").json()
    assert seen["content"] == [["a", "1"], ["data", ""]]
    assert seen["properties"]["content-length"] == "0"


def test_options_head_and_other_methods(zoo):
    options = zoo.send("OPTIONS", "/predictions/echo")
    assert (options.status, options.body) == (200, b"{}\n")
    assert zoo.send("OPTIONS", "/predictions/zzz").status == 404
    assert zoo.send("OPTIONS", "/").body == b"{}\n"
    head = zoo.send("HEAD", "/predictions/echo")
    assert (head.status, head.header("content-length"), head.body) == (424, "105", b"")
    assert zoo.send("PATCH", "/predictions/echo//x", b"[1]").body == b"[\n  1\n]"
    assert zoo.send("POST", "/predictions/%65cho", b"[1]").status == 200


@pytest.mark.parametrize(("target", "status"), [("/?a=b", 200), ("//", 404), ("*", 404), ("/x", 404)])
def test_options_describe_the_root_only(zoo, target, status):
    assert zoo.send("OPTIONS", target).status == status


@pytest.mark.parametrize(
    ("target", "header", "says"),
    [
        ("/invocations?model_name=", "", "Model or workflow not found: "),  # the parameter is a content, too
        ("/invocations", "model_name: ", "Model or workflow not found: "),
        ("/invocations", "", "Parameter model_name is required."),
        ("/invocations?model_name=nope", "model_name: echo", "Model or workflow not found: nope"),
        ("/invocations?model_name=echo", "model_version: ", "Model or workflow not found: echo"),
    ],
)
def test_an_empty_model_name_is_a_name(zoo, target, header, says):
    lines = "\r\n".join([f"POST {target} HTTP/1.1", "Content-Length: 2", *([header] if header else []), "", "{}"])
    assert zoo.raw(lines.encode()).json()["message"] == says


def test_the_handler_cannot_be_chosen_by_a_client(zoo):
    answer = zoo.predict("echo", b"{}", Handler="other")
    assert (answer.status, answer.reason) == (400, "The handler can't be overridden in a request")
    message = r"The handler can\u0027t be overridden in a request"
    assert answer.body == java_error(400, "BadRequestException", message)


def test_invocations_find_the_model(zoo):
    for path, headers in [
        ("/invocations?model_name=echo", {}),
        ("/invocations", {"model_name": "echo"}),
        ("/invocations", {"X_Amzn_SageMaker_Custom_Attributes": "model_name=echo"}),
        ("/models/echo/invoke", {}),
    ]:
        headers = {name.replace("model_name", "model_name"): value for name, value in headers.items()}
        raw = "".join(
            f"{'model_name' if k == 'model_name' else k.replace('_', '-')}: {v}\r\n" for k, v in headers.items()
        )
        answer = zoo.raw(f"POST {path} HTTP/1.1\r\n{raw}Content-Length: 3\r\n\r\n[1]".encode())
        assert (answer.status, answer.body) == (200, b"[\n  1\n]"), path
    form = zoo.send("POST", "/invocations", b"model_name=inspect", Content_Type="application/x-www-form-urlencoded")
    assert form.json()["content"] == [["model_name", "inspect"]]
    missing = zoo.send("POST", "/invocations", b'{"model_name": "echo"}')
    assert (missing.status, missing.reason) == (400, "Parameter model_name is required.")


def test_streams_are_chunked(zoo):
    answer = zoo.predict("stream", {"n": 2})
    assert (answer.status, answer.header("transfer-encoding"), answer.after) == (200, "chunked", "open")
    assert answer.body == b'{"outputs": "tok0 "}\n{"outputs": "tok1 "}\n'
    assert zoo.predict("stream", {"n": 3, "fail_at": 1}).body == b'{"outputs": "tok0 "}\nstream broke'
    assert zoo.predict("stream", {"n": 0}).body == b""


def test_asynchronous_answers(zoo):
    accepted = zoo.predict("echo", b"[1]", x_synchronous="false")
    token = accepted.header("x-next-token")
    assert accepted.status == 200
    assert accepted.header("X-Amzn-SageMaker-Custom-Attributes") == f"x-next-token={token}"
    for _ in range(50):
        later = zoo.predict("echo", b"", x_starting_token=token)
        if later.status != 202:
            break
        assert later.reason == "The model result is not yet available"
    assert (later.status, later.body) == (200, b"[\n  1\n]")
    assert zoo.predict("echo", b"", x_starting_token="bad").status == 400
    wrong = zoo.predict("echo", b"", x_starting_token=token, x_max_items="many")
    assert (wrong.status, wrong.json()["type"]) == (500, "NumberFormatException")
