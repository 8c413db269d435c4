"""The routes beside the two APIs: adapters, which no model has, and the plugins of an instance's image."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearsal.server.api.adapters import Adapters
from rehearsal.server.api.inference import Inference
from rehearsal.server.api.management import Management
from rehearsal.server.api.plugins import NO_BLOCK, Plugins
from rehearsal.server.api.routes import App
from rehearsal.server.config import Flags, load_config
from rehearsal.server.errors import ApiError
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.info import FAILED, PENDING, READY, Registration
from rehearsal.server.models.registry import Registry
from rehearsal.server.wire.requests import Request

QUICK = settings(max_examples=50, deadline=None)
NO_ROUTE = "Requested resource is not found, please refer to API document."
NO_METHOD = "Requested method is not allowed, please refer to API document."
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"])


def app(environ: dict[str, str] | None = None, **states: str) -> App:
    """The routes over models in these states; one named `v` has the version 1."""
    config, log = load_config(Flags(), environ or {}), ServerLog()
    registry = Registry(config, None, log)
    for name, state in states.items():
        registry.add(Registration(name, f"file:/{name}/", "1" if name == "v" else None)).model.status = state
    management = Management(registry, config, log)
    return App(Inference(registry, config, log), management, Adapters(registry, config), Plugins(registry))


def ask(routes: App, method: str, target: str) -> tuple[int, str]:
    """The status and what the body says."""
    try:
        answer = asyncio.run(routes(Request(method, target, [])))
    except ApiError as error:
        return error.status, str(error.message)
    return answer.status, answer.body.decode()


@given(METHODS, st.sampled_from(["m", "nope", "a b", ""]), st.sampled_from(["", "/", "/x", "/x/", "/x/y", "?limit=1"]))
@QUICK
def test_no_adapter_is_there_and_none_can_be_registered(method, name, rest):
    """A list, one adapter, or neither: what each method says depends on the model and on what follows."""
    one, known = "/x" in rest, name == "m"
    unknown = (400, f"The model {name} was not found")
    gone = {
        "GET": (400, "The adapter x was not found"),
        "DELETE": (500, "The adapter x was not found and therefore can't be unregistered"),
    }
    said = ask(app(m=READY), method, f"/models/{name.replace(' ', '%20')}/adapters{rest}")
    if not name:
        assert said != (200, '{\n  "adapters": []\n}\n'), "an empty name is no adapters' route"
    elif one:
        assert said == (gone[method] if known else unknown) if method in gone else (405, NO_METHOD)
    elif method == "GET":
        assert said == ((200, '{\n  "adapters": []\n}\n') if known else unknown)
    else:
        assert said == ((400, "The parameter name is required") if method == "POST" else (405, NO_METHOD))


@pytest.mark.parametrize(
    ("query", "environ", "said"),
    [
        ("?name=", {}, "The parameter name is required"),
        ("?name=a", {}, "The parameter src is required"),
        ("?src=b&name=a", {}, "Adapters preview is not enabled"),
        ("?src=b&name=a", {"ENABLE_ADAPTERS_PREVIEW": "false"}, "Adapters preview is not enabled"),
        ("?src=b&name=a", {"ENABLE_ADAPTERS_PREVIEW": "True"}, "adapters are not rehearsed"),
    ],
)
def test_registering_an_adapter_says_what_is_missing(query, environ, said):
    assert ask(app(environ, m=READY), "POST", f"/models/m/adapters{query}")[1] == said
    if "src" in query:
        assert ask(app(environ), "POST", f"/models/m/adapters{query}")[1] == "The model m was not found"


STATES = st.sampled_from([READY, PENDING, FAILED])


@given(METHODS, STATES, STATES, st.sampled_from(["live", "ready", "live?x=1", "ready/", "read", "ready/x", ""]))
@QUICK
def test_kserve_says_how_the_server_is(method, one, other, end):
    status, body = ask(app(m=one, n=other), method, f"/v2/health/{end}")
    if re.fullmatch(r"(live|ready)(/|\?.*)?", end):
        well = PENDING not in (one, other) and FAILED not in (one, other)
        assert (status, body) == ((200 if well else 424, "\n") if method == "GET" else (405, json_body(NO_METHOD)))
    else:
        assert (status, body) == (500, json_body(NO_ROUTE))


@given(STATES, st.sampled_from(["m", "nope", "v", "v/version/1", "v/version/2"]), st.sampled_from(["", "/ready"]))
@QUICK
def test_kserve_says_how_a_model_is(state, name, end):
    base, _, version = name.partition("/version/")
    status, body = ask(app(m=state, v=state), "GET", f"/v2/models/{name}{end}")
    missing = (404, json_body(f"Model not found: {base}{f'/{version}' if version else ''}"))
    if base == "nope" or version == "2":
        assert (status, body) == missing
    elif end:
        assert (status, body) == (200 if state == READY else 424, "\n")
    else:
        assert (status, body) == ((500, json_body(NO_BLOCK)) if state == READY else missing)


@pytest.mark.parametrize(("states", "said"), [((FAILED, READY), NO_BLOCK), ((FAILED, PENDING), "Model not found: m")])
def test_kserve_describes_the_first_version_that_serves(states, said):
    config, log = load_config(Flags(), {}), ServerLog()
    registry = Registry(config, None, log)
    for version, state in zip((None, "1"), states, strict=True):
        registry.add(Registration("m", "file:/m/", version)).model.status = state
    routes = App(None, None, None, Plugins(registry))
    assert json.loads(ask(routes, "GET", "/v2/models/m")[1]) == {"error": said}
    assert json.loads(ask(routes, "GET", "/v2/models/m/version/default")[1])["error"] == "Model not found: m/default"
    assert ask(routes, "GET", "/v2/models/m/version/default/ready")[0] == 424


@pytest.mark.parametrize("method", ["GET", "POST", "FOO"])
@pytest.mark.parametrize("end", ["", "/", "?x", "//?x"])
def test_the_consoles_own_api_needs_a_name(method, end):
    said = ask(app(), method, f"/console/api/{end}")
    assert said == (500, "Index 3 out of bounds for length 3")
    assert ask(app(), method, f"/console/api/no/{end}") == (404, NO_ROUTE)


def json_body(text: str) -> str:
    """A body of KServe's errors."""
    return json.dumps({"error": text}, indent=2).replace("'", "\\u0027") + "\n"


@pytest.mark.parametrize("target", ["/", "/?x", "/index.html", "/console/", "/console/index.html"])
def test_a_page_stands_where_the_console_is(zoo, target):
    """NO_PLUGINS, off; the recordings have it on."""
    answer = zoo.send("GET", target)
    assert (answer.status, answer.header("content-type"), answer.after) == (200, "text/html", "open")
    assert zoo.send("POST", target).status == 404


def test_a_health_probe_passes(zoo):
    assert (zoo.send("GET", "/v2/health/ready").body, zoo.send("GET", "/v2/models/echo/ready").status) == (b"\n", 200)
    assert zoo.send("POST", "/v2/models/echo/infer").status == 501
    assert zoo.send("GET", "/v2//").json() == {"error": "Index 2 out of bounds for length 2"}


@pytest.mark.parametrize(
    "target", ["/ping?{}", "/predictions/{}", "/invocations/{}", "/models/{}/invoke", "/models/{}"]
)
def test_an_end_of_line_of_java_in_a_target_is_no_route(target):
    """It is a letter of latin-1 that a request line may have; what it is written as with % is another matter."""
    assert ask(app(m=READY), "GET", target.format("a\x85")) == (404, NO_ROUTE)
    assert ask(app(m=READY), "GET", target.format("a%C2%85")) != (404, NO_ROUTE)
