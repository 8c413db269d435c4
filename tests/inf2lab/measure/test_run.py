"""Loads against a scripted server: what is counted, from when a request's time runs, and what is never made up."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from pathlib import Path

import pytest

from inf2lab import measure
from inf2lab.errors import MeasureError, SettingsError
from inf2lab.measure import Load, Tokens, client

from .conftest import Reply, Serve, few, outputs


def test_a_closed_loop_sends_so_many_from_so_many(serve: Serve) -> None:
    server = serve(lambda number, body: Reply(after=4, delay=0.01))
    result = measure.run(server.target(), Load(clients=4, requests=22, warm_up=0))
    assert (len(result.rows), len(server.bodies), server.most_at_once) == (22, 22, 4)
    assert [row.number for row in result.rows] == list(range(22))
    assert all(row.latency_s >= 0.01 for row in result.rows)
    assert 0 < result.requests_per_s <= 4 / 0.01
    assert server.paths == ["/predictions/m"] * 22


def test_a_warm_up_is_sent_and_not_counted(serve: Serve) -> None:
    server = serve(lambda number, body: Reply(status=200 if number else 503))
    result = measure.run(server.target(), Load(requests=10, warm_up=1))
    assert (len(server.bodies), len(result.rows), result.errors) == (11, 10, {})


def test_seconds_end_a_closed_loop_and_what_was_sent_still_counts(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = itertools.count()
    monkeypatch.setattr(client, "clock", lambda: next(looks) / 10)
    server = serve()
    result = measure.run(server.target(), Load(clients=2, seconds=4, warm_up=0))
    assert len(result.rows) == len(server.bodies) >= 10
    assert all(row.sent_s < 4.3 for row in result.rows)  # two clients look at the clock and then send
    assert result.seconds >= 4


def test_errors_are_counted_by_code_and_have_no_latency(serve: Serve) -> None:
    replies = {0: Reply(status=424), 2: Reply(status=503), 3: Reply(status=503), 4: Reply(drop=True)}
    server = serve(lambda number, body: replies.get(number, Reply()))
    result = measure.run(server.target("article"), few())
    assert result.errors == {"424": 1, "503": 2, "broken": 1}
    assert result.latency.count == len(result.good) == 2
    assert result.as_dict()["errorRate"] == pytest.approx(66.67)
    assert result.as_dict()["failedRequests"] == 4


def test_an_answer_of_another_kind_is_an_error(serve: Serve) -> None:
    server = serve(lambda number, body: Reply(body=b'[{"generated_text": "x"}]' if number else b"no JSON"))
    assert measure.run(server.target("article"), few(requests=3)).errors == {"unreadable": 3}
    assert measure.run(server.target("raw"), few(requests=3)).errors == {}


def test_a_request_that_takes_too_long_is_a_timeout(serve: Serve) -> None:
    server = serve(lambda number, body: Reply(after=0 if number else 2))
    assert measure.run(server.target(), few(requests=1, timeout_s=0.1)).errors == {"timeout": 1}
    assert measure.run(server.target(), few(requests=3)).errors == {}


def test_nothing_that_listens_is_one_sentence(free_port: int) -> None:
    target = measure.Target(url=f"http://127.0.0.1:{free_port}/", kind="raw")
    with pytest.raises(MeasureError, match=f"nothing listens at .*{free_port}"):
        measure.run(target, few(requests=2))


def test_all_failed_has_no_percentiles(serve: Serve) -> None:
    result = measure.run(serve(lambda number, body: Reply(status=503)).target(), few())
    found = result.as_dict()
    assert (found["p50Latency"], found["averageLatency"], found["errorRate"]) == (None, None, 100.0)
    assert measure.knee([result]) is None


def test_an_open_loop_waits_for_nobody(serve: Serve) -> None:
    """No answer comes before the tenth request: a loop that waited would wait for ever."""
    server = serve(lambda number, body: Reply(after=10))
    result = measure.run(server.target(), Load(rate=100, requests=10, arrivals="even", warm_up=0, timeout_s=60))
    assert (server.most_at_once, result.errors) == (10, {})
    assert [round(row.due_s, 2) for row in result.rows] == [place / 100 for place in range(10)]


def test_waiting_for_a_connection_counts(serve: Serve) -> None:
    """With one connection the fifth of five requests, all due at once, waits for the other four."""
    server = serve(lambda number, body: Reply(delay=0.05))
    result = measure.run(server.target(), Load(rate=1000, requests=5, arrivals="even", warm_up=0, in_flight=1))
    assert server.most_at_once == 1
    assert result.rows[-1].latency_s >= 0.24
    assert result.rows[-1].sent_s - result.rows[-1].due_s >= 0.19
    assert result.as_dict()["inf2lab"]["p99SentLate"] >= 190


def test_a_stall_shows_in_the_open_loop_and_hides_in_the_closed_one(serve: Serve) -> None:
    """The server stands still from request 20 to request 80: 60 feel it who come by the clock, else only one."""
    server = serve(lambda number, body: Reply(after=80 if 20 <= number < 80 else 0))
    by_the_clock = measure.run(server.target(), Load(rate=200, requests=80, arrivals="even", warm_up=0))
    assert sum(row.ended_s >= by_the_clock.rows[79].due_s for row in by_the_clock.rows) >= 60
    assert by_the_clock.latency.at(0.5) >= 95  # half of them waited for at least 19 others, 5 ms apart
    server = serve(lambda number, body: Reply(delay=0.3 if number == 20 else 0.0))
    closed = measure.run(server.target(), Load(clients=1, requests=80, warm_up=0))
    assert server.most_at_once == 1
    assert closed.rows[20].latency_s >= 0.3
    assert closed.rows[21].due_s >= closed.rows[20].ended_s  # who would have come meanwhile is not counted


def test_streamed_answers_have_times_between_tokens(serve: Serve, root: Path) -> None:
    lines = tuple(json.dumps({"outputs": [word]}).encode() + b"\n" for word in ("The", " volume", " is"))
    server = serve(lambda number, body: Reply(pieces=lines, pause=0.02))
    tokens = Tokens(root / "models" / "tiny-opt")
    result = measure.run(server.target("builtin-stream", tokens=tokens), few(requests=3))
    assert result.first_token.count == 3
    assert result.between_tokens.count == 6
    assert 20 <= result.first_token.at(0.5) <= result.latency.at(0.5)
    assert all(row.first_s + sum(row.gaps_s) >= 0.06 for row in result.rows)
    assert result.output_tokens == 3 * sum(tokens.count(["The volume is"]))
    assert result.as_dict()["timeToFirstByte"] >= 20


@pytest.mark.parametrize(
    ("kind", "pieces"),
    [
        ("openai-stream", [b'data: {"choices": [{"text": "a"}]}\n\n', b'data: {"choices": [{"text": "b"}]}\n\n']),
        (
            "openai-chat-stream",
            [
                b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\ndata: {"choices": [{"del',
                b'ta": {"content": "a"}}]}\n\n',
                b'data: {"choices": [{"delta": {"content": "b"}}]}\n\ndata: {"choices": []}\n\n',
            ],
        ),
    ],
)
def test_server_sent_events_may_be_cut_anywhere(serve: Serve, kind: str, pieces: list[bytes]) -> None:
    server = serve(lambda number, body: Reply(pieces=(*pieces, b"data: [DONE]\n\n"), pause=0.01))
    result = measure.run(server.target(kind, "/v1/completions", model="m"), few(requests=2))
    assert result.errors == {}
    assert result.between_tokens.count == 2
    sent = json.loads(server.bodies[0])
    assert (sent["model"], sent["stream"], sent["max_tokens"]) == ("m", True, 32)


def test_what_did_not_stream_has_no_first_token(serve: Serve, root: Path) -> None:
    tokens = Tokens(root / "models" / "tiny-opt")
    server = serve(lambda number, body: Reply(body=outputs("The volume is")))
    found = measure.run(server.target("article", tokens=tokens), few()).as_dict()
    assert found["totalTokens"] == 6 * tokens.count(["The volume is"])[0]
    for name in ("timeToFirstByte", "p50TimeToFirstByte", "p99TimeToFirstByte"):
        assert found[name] is None
    assert found["inf2lab"]["p50BetweenTokens"] is None


def test_a_stream_of_one_piece_is_none(serve: Serve) -> None:
    server = serve(lambda number, body: Reply(pieces=(b'{"outputs": "all at once"}\n',)))
    result = measure.run(server.target("builtin-stream"), few())
    assert (len(result.good), result.first_token.count) == (6, 0)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("article", lambda prompt: {"outputs": [prompt + " and more words"]}),
        ("builtin", lambda prompt: [{"generated_text": prompt + " and more words"}]),
        ("builtin", lambda prompt: [" and more words"]),
        ("openai", lambda prompt: {"choices": [{"text": " and more words"}]}),
        ("openai-chat", lambda prompt: {"choices": [{"message": {"content": " and more words"}}]}),
    ],
)
def test_only_what_was_written_is_counted(serve: Serve, root: Path, kind: str, answer: object) -> None:
    tokens = Tokens(root / "models" / "tiny-opt")

    def script(number: int, body: bytes) -> Reply:
        sent = json.loads(body)
        prompt = sent.get("text") or sent.get("inputs") or [sent.get("prompt")]
        return Reply(body=json.dumps(answer(prompt[0])).encode())

    target = serve(script).target(kind, tokens=tokens, lengths="9")
    result = measure.run(target, few())
    assert result.output_tokens == 6 * tokens.count([" and more words"])[0]
    assert {row.prompt_tokens for row in result.rows} == {9}


def test_without_a_tokenizer_tokens_are_not_guessed(serve: Serve) -> None:
    found = measure.run(serve().target("article"), few()).as_dict()
    names = ("tokenizer", "totalTokens", "tokenThroughput", "tokenPerRequest", "averageTokenLatency")
    assert [found[name] for name in names] == [None] * 5


def test_the_same_seed_sends_the_same(serve: Serve) -> None:
    server = serve()
    first, again, other = (measure.run(server.target(), few(seed=seed)) for seed in (1, 1, 2))
    assert server.bodies[:6] == server.bodies[6:12] != server.bodies[12:]
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(Load(clients=3, requests=40), id="closed"),
        pytest.param(Load(rate=200, requests=40), id="open", marks=pytest.mark.thorough),
    ],
)
def test_several_processes_share_a_load_and_lose_nothing(serve: Serve, load: Load) -> None:
    import dataclasses

    server = serve()
    alone = measure.run(server.target(), load)
    ticks: list[tuple[int, int]] = []
    together = measure.run(
        server.target(), dataclasses.replace(load, processes=2), lambda load, done, failed: ticks.append((done, failed))
    )
    assert [row.number for row in together.rows] == list(range(40))
    assert together.errors == {}
    assert together.fingerprint == alone.fingerprint
    assert ticks[-1] == (40, 0)


def test_progress_ends_with_all_of_them(serve: Serve) -> None:
    ticks: list[tuple[int, int]] = []
    server = serve(lambda number, body: Reply(status=200 if number else 503))
    measure.run(server.target(), few(), lambda load, done, failed: ticks.append((done, failed)))
    assert ticks[-1] == (6, 1)


def test_it_runs_where_a_loop_runs_already(serve: Serve) -> None:
    """As in a notebook, whose kernel has one."""
    target = serve().target()

    async def cell() -> int:
        return len(measure.run(target, few()).rows)

    assert asyncio.run(cell()) == 6


def test_a_generator_that_dies_is_said(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(MeasureError, match="lost a process"):
        measure.run(serve().target(), few(processes=2))


def test_a_sweep_is_a_closed_loop(serve: Serve) -> None:
    told: list[tuple[int, int, int]] = []
    results = measure.sweep(
        serve().target(), Load(requests=4), [1, 3], lambda *now: told.append((now[0].clients, *now[1:]))
    )
    assert [(result.load.clients, len(result.rows)) for result in results] == [(1, 4), (3, 12)]
    assert (told[0][0], told[-1]) == (1, (3, 16, 0))  # the whole sweep is counted
    server = serve()
    with pytest.raises(SettingsError, match="closed loop"):
        measure.sweep(server.target(), Load(rate=1, requests=4), [1])


def test_a_port_that_is_taken_by_another_protocol_is_broken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = measure.Target(url=f"http://127.0.0.1:{silent.getsockname()[1]}/", kind="raw")
        result = measure.run(target, few(requests=1, timeout_s=0.2))
    assert result.errors == {"timeout": 1}
