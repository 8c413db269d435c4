"""Where two texts part, and how near the two best tokens were there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inf2lab.endpoint import Answer
from inf2lab.errors import EndpointDown, EndpointError, LabError, ServerError
from inf2lab.migrate import compare, migrate
from inf2lab.migrate.requests import Translated
from inf2lab.migrate.side_by_side import against, compared


def choice(tokens: list[str], margins: list[float], *, start: int = 0) -> dict[str, Any]:
    """A choice of vLLM's, with the distance between the two best tokens at each place."""
    offsets = [start + len("".join(tokens[:place])) for place in range(len(tokens))]
    tops = [{token: -1.0, "other": -1.0 - margin} for token, margin in zip(tokens, margins, strict=True)]
    return {"text": "".join(tokens), "logprobs": {"tokens": tokens, "text_offset": offsets, "top_logprobs": tops}}


def test_equal_texts_are_equal_in_all_tokens() -> None:
    row = compared("ask.sh:1", "Hi", " there you", choice([" there", " you"], [2, 2]))
    assert row.equal
    assert row.verdict == "all 2 tokens are equal"


@pytest.mark.parametrize(
    ("old", "at", "margin", "word"),
    [
        (" they you", 0, 2.0, "not rounding"),  # parts within the first token
        (" there is", 1, 0.03, "rounding"),
        (" there you a", 2, 0.5, "not rounding"),
        (" there", 1, 0.03, "rounding"),  # the old text is shorter
        (" there you are all", 2, 0.5, "not rounding"),  # the old text is longer: what came last
    ],
)
def test_the_first_token_that_differs_is_named_with_its_margin(old: str, at: int, margin: float, word: str) -> None:
    row = compared("ask.sh:1", "Hi", old, choice([" there", " you", " are"], [2.0, 0.03, 0.5], start=7))
    assert (row.equal, row.at) == (False, at)
    assert row.margin == pytest.approx(margin)
    assert f"{margin:.3f} logits apart there: {word}" in row.verdict


class Played:
    """A new server that answers as it is told to, and its own client."""

    def __init__(self, count: object, completion: object) -> None:
        self.answers, self.asked, self.endpoint = [count, completion], list[Any](), self

    def post(self, path: str, body: Any) -> Answer:
        self.asked.append(body)
        answer = self.answers[path == "/v1/completions"]
        if isinstance(answer, Exception):
            raise answer
        return Answer(200, "OK", {}, json.dumps(answer), 0.0)


ASKED = Translated("ask.json:1", {}, "/v1/completions", {"prompt": ["Hi"], "n": 3, "stream": True}, 9, False, ("Hi",))
GOOD = choice([" there"], [2.0])


def test_the_new_server_is_asked_for_one_likeliest_text() -> None:
    server = Played({"count": 2}, {"choices": [GOOD]})
    (row,) = against(server, ASKED, [" there"])
    assert row.equal
    assert server.asked[-1] == {"prompt": ["Hi"], "max_tokens": 7, "temperature": 0, "logprobs": 2}


@pytest.mark.parametrize(
    ("count", "completion"),
    [
        ({"count": 2}, {"choices": []}),
        ({"count": 2}, {"choices": [GOOD, GOOD]}),
        ({"count": 2}, {"choices": [GOOD | {"logprobs": None}]}),  # a sampler on the chip has none
        ({"count": 2}, {"choices": [GOOD | {"logprobs": {"tokens": [], "text_offset": [], "top_logprobs": []}}]}),
        ({"count": 2}, {"error": {"message": "no"}}),
        ({"count": 2}, ["Hi"]),
        ({"count": None}, {"choices": [GOOD]}),
        ({"tokens": 2}, {"choices": [GOOD]}),
    ],
)
def test_an_answer_of_another_form_is_one_sentence(count: object, completion: object) -> None:
    with pytest.raises(
        ServerError, match=r"ask\.json:1: the new server answered .*: no text a prompt, with its tokens'"
    ):
        list(against(Played(count, completion), ASKED, [" other"]))


@pytest.mark.parametrize("error", [EndpointDown("http://x"), EndpointError(0, "nothing", "no answer within 9 s")])
def test_a_server_that_stops_or_answers_too_late_is_named_as_that(error: LabError) -> None:
    with pytest.raises(type(error)):
        list(against(Played({"count": 2}, error), ASKED, [" there"]))


def test_without_a_request_there_is_nothing_to_compare(write_folder: Any) -> None:
    folder = write_folder("opt13b", {"engine": "Python", "option.model_id": "facebook/opt-13b"})
    with pytest.raises(ServerError, match="nothing to compare: name a file with a request"):
        compare(migrate(folder.path, to="vllm-nxdi"))


@pytest.mark.parametrize(
    ("model_id", "forbidden"),
    [
        ("facebook/opt-13b", True),
        ("EleutherAI/gpt-j-6b", True),
        ("meta-llama/Llama-2-7b-hf", False),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", False),
    ],
)
def test_a_text_may_end_early_where_the_old_library_let_it(
    write_folder: Any, tmp_path: Path, model_id: str, forbidden: bool
) -> None:
    """transformers-neuronx masks the end of text, but Llama's `sample` draws it and ends there."""
    folder = write_folder("m", {"engine": "Python", "option.model_id": model_id}, handler="def handle(inputs): ...\n")
    request = tmp_path / "ask.json"
    request.write_text('{"seq_length": 48, "text": ["Hello"]}')
    made = migrate(folder.path, to="vllm-nxdi", files=[request])
    body = made.requests[0].of_length(longest=8)
    assert (body.get("min_tokens"), body["max_tokens"]) == (40 if forbidden else None, 40)
    assert f'"end_forbidden": {str(forbidden).lower()}' in made.files()["server.json"]
