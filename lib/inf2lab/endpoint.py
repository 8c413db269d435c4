"""The client a reader learns on: a model's URL, one request, and an answer that can be looked at."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from inf2lab import catalog
from inf2lab.errors import EndpointDown, EndpointError
from inf2lab.folder import LOAD_MARGIN_S
from inf2lab.shapes import article_body


@dataclass(frozen=True)
class Answer:
    """What came back: HTTP status and reason, headers (lower-case names), body text and elapsed seconds."""

    status: int
    reason: str
    headers: dict[str, str]
    text: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the status is 200."""
        return self.status == 200

    @property
    def error(self) -> str:
        """The reason in an error body: `error` where the handler wrote it, `message` where the server did, else ''."""
        try:
            body = json.loads(self.text)
        except json.JSONDecodeError:
            return ""
        return str(body.get("error", body.get("message", ""))) if isinstance(body, dict) else ""

    def json(self) -> Any:
        """Return the body as JSON; raises EndpointError for another status or a body that is none."""
        if not self.ok:
            raise EndpointError(self.status, self.reason, self.text)
        try:
            return json.loads(self.text)
        except json.JSONDecodeError as error:
            raise EndpointError(self.status, f"but no JSON ({error})", self.text[:200]) from error


def patience_s() -> float:
    """Return how long a client waits for an answer that the server gives up on by itself."""
    return catalog.loading_facts().predict_s + LOAD_MARGIN_S


class Endpoint:
    """One model behind DJLServing: Endpoint("http://127.0.0.1:8080", "opt13b").generate(["Hello"], seq_length=64)."""

    def __init__(self, url: str, model: str, *, timeout_s: float | None = None) -> None:
        """`timeout_s` bounds each request; by default it is longer than the server's own, which says why it gave up."""
        self.base_url, self.model = url.rstrip("/"), model
        self.timeout_s = timeout_s or patience_s()

    @property
    def url(self) -> str:
        """Where predictions are asked for."""
        return f"{self.base_url}/predictions/{self.model}"

    def send(self, body: Any, *, content_type: str = "application/json") -> Answer:
        """POST `body` (text and bytes as they are, the rest as JSON) and return what comes back, also an error."""
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        data = data.encode() if isinstance(data, str) else data
        return self._request("POST", self.url, data=data, headers={"Content-Type": content_type})

    def post(self, path: str, body: Any) -> Answer:
        """POST `body` as JSON to a path below the server's address and return what comes back, also an error."""
        return self._request("POST", self.base_url + path, json=body)

    def get(self, path: str) -> Answer:
        """Return what a path below the server's address answers, also an error; raises EndpointDown."""
        return self._request("GET", self.base_url + path)

    def generate(self, prompts: Sequence[str], seq_length: int) -> list[str]:
        """Return one text a prompt from the article's handler; `seq_length` counts prompt and answer.

        Raises EndpointError.
        """
        answer = self.send(article_body(prompts, seq_length))
        try:
            return answer.json()["outputs"]
        except (TypeError, KeyError) as error:  # the built-in handler's answer is a list
            reason = "but its JSON has no `outputs`, so it is not the article's handler"
            raise EndpointError(answer.status, reason, answer.text[:200]) from error

    def ping(self) -> Answer:
        """Return the server's own health answer; raises EndpointDown."""
        return self.get("/ping")

    def describe(self) -> dict[str, Any]:
        """Return what the server says of the model: workers, devices, queue; raises EndpointError if it is unknown."""
        answer = self.get(f"/models/{self.model}")
        try:
            return {**answer.json()[0]["models"][0]}
        except (LookupError, TypeError) as error:
            reason = f"but no DJLServing describes {self.model} there"
            raise EndpointError(answer.status, reason, answer.text[:200]) from error

    def _request(self, method: str, url: str, **arguments: Any) -> Answer:
        started = time.perf_counter()
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy of the company network has no business between us and loopback
                reply = session.request(method, url, timeout=self.timeout_s, **arguments)
        except requests.Timeout as error:
            raise EndpointError(0, "nothing", f"no answer within {self.timeout_s:g} s from {url}") from error
        except requests.RequestException as error:
            if error.args and isinstance(getattr(error.args[0], "reason", None), NewConnectionError):
                raise EndpointDown(url) from error
            reason = f"the connection to {url} broke off ({type(error).__name__})"
            raise EndpointError(0, "nothing", reason) from error
        headers = {name.lower(): value for name, value in reply.headers.items()}
        text = reply.content.decode(errors="replace")  # requests would guess: DJLServing names no charset
        return Answer(reply.status_code, reply.reason, headers, text, time.perf_counter() - started)
