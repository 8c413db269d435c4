"""Drills in which a request is wrong: the server runs on, and its answer has to be understood."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from inf2lab.drills.drill import Drill, Scene, Sighting
from inf2lab.drills.folders import ARTICLES, BUILT_IN, OWN

if TYPE_CHECKING:
    from inf2lab.drills.act import Site

_ARTICLE = Scene(OWN, ARTICLES, profile="seed-0.21")
_NO_CODE = Scene(BUILT_IN)
_PROMPTS = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]


def _unequal(site: Site) -> Sighting:
    return site.refused({"seq_length": 40, "text": ["Hello", _PROMPTS[1]]})


def _three_prompts(site: Site) -> Sighting:
    return site.refused({"seq_length": 40, "text": [*_PROMPTS, _PROMPTS[0]]})


def _other_schema(site: Site) -> Sighting:
    return site.refused({"inputs": _PROMPTS, "parameters": {"max_new_tokens": 40}})


def _nothing(site: Site) -> Sighting:
    return site.refused("")


def _long_prompt(site: Site) -> Sighting:
    return site.refused({"seq_length": 2048, "text": ["volume " * 2100] * 2})


def _form(site: Site) -> Sighting:
    body = json.dumps({"seq_length": 40, "text": _PROMPTS})
    return site.send(body, content_type="application/x-www-form-urlencoded")


def _other_name(site: Site) -> Sighting:
    return site.send({"seq_length": 40, "text": _PROMPTS}, model="opt-13b")


def _beyond_positions(site: Site) -> Sighting:
    return site.refused({"inputs": _PROMPTS, "parameters": {"max_new_tokens": 200}})


def _article_body(site: Site) -> Sighting:
    return site.refused({"seq_length": 40, "text": _PROMPTS})


ASKING = (
    Drill(
        name="unequal-prompts",
        title="Prompts of unequal length",
        how="send two prompts of 2 and 9 tokens to the article's handler",
        answer=r"^HTTP/1\.1 424 (?s:.*)expected sequence of length 2 at dim 1 \(got 9\)",
        log=r"ValueError: expected sequence of length \d+ at dim 1 \(got \d+\)",
        cause="The article stacks the token lists into one tensor, and a tensor has no ragged edge.",
        fix="Pad on the left and tell the model where each row begins (start_ids), as the handler of notebook 04 does.",
        chip="The same words: this happens on the host.",
        scene=_ARTICLE,
        act=_unequal,
    ),
    Drill(
        name="batch-mismatch",
        title="More prompts than the compiled batch",
        how="send three prompts to a model compiled for batch 2",
        answer=r"^HTTP/1\.1 424 (?s:.*)does not match the compiled shape",
        log=r"RuntimeError: input of shape .* does not match the compiled shape",
        cause="The program on the chip has a fixed shape: option.batch_size rows, no more and no less.",
        fix="Send exactly batch_size prompts, or fill up and cut in the handler.",
        chip="The runtime refuses the tensor's size; the words differ from release to release.",
        scene=_ARTICLE,
        act=_three_prompts,
    ),
    Drill(
        name="wrong-schema",
        title="The body of another handler",
        how="send the built-in handler's keys (inputs, parameters) to the article's handler",
        answer=r"^HTTP/1\.1 424 (?s:.*)\"error\":\"'seq_length'\"",
        log=r"KeyError: '(?:seq_length|text)'",
        cause="The body lacks a key that the handler reads; `'seq_length'` in quotes is Python's text of a KeyError.",
        fix='Send {"seq_length": ..., "text": [...]} to this handler.',
        chip="The same words.",
        scene=_ARTICLE,
        act=_other_schema,
    ),
    Drill(
        name="empty-body",
        title="An empty body",
        how="POST without a body",
        answer=r"^HTTP/1\.1 424 (?s:.*)Expecting value: line 1 column 1 \(char 0\)",
        log=r"JSONDecodeError: Expecting value: line 1 column 1 \(char 0\)$",
        cause="The handler parses nothing as JSON. A health probe or a lost `-d` does that.",
        fix="Send a body. For a health check ask /ping.",
        chip="The same words.",
        scene=_ARTICLE,
        act=_nothing,
    ),
    Drill(
        name="prompt-beyond-the-model",
        title="A prompt longer than the model's positions",
        how="send a prompt of more than 2048 tokens",
        answer=r"^HTTP/1\.1 424 (?s:.*)index out of range in self",
        log=r"IndexError: index out of range in self",
        cause="OPT has a table of 2048 positions, and the prompt asks for a row behind its end.",
        fix="Cut the prompt: prompt and answer together may have 2048 tokens.",
        chip="The same words: the table lies on the host.",
        scene=_ARTICLE,
        act=_long_prompt,
    ),
    Drill(
        name="body-taken-for-a-form",
        title="204: curl without the content type",
        how="send the article's body as `curl -d` does when -H is forgotten",
        answer=r"^HTTP/1\.1 204 ",
        cause="The server reads a form, finds no field in it, and calls the handler with nothing: the warm-up call.",
        fix="Always send `Content-Type: application/json`.",
        chip="The same answer. From DJLServing 0.30 on it is 424.",
        scene=_ARTICLE,
        act=_form,
    ),
    Drill(
        name="wrong-name-in-the-url",
        title="404: the model's name instead of the folder's",
        how="ask /predictions/opt-13b where the folder is called otherwise",
        answer=r"^HTTP/1\.1 404 (?s:.*)Model or workflow not found: opt-13b",
        cause="The URL takes the folder's name, with every character but letters and digits made a _.",
        fix="`GET /models` names what is served.",
        chip="The same answer.",
        scene=_ARTICLE,
        act=_other_name,
        covers=("model-name-in-url",),
    ),
    Drill(
        name="n-positions-too-small",
        title="More tokens asked for than the cache holds",
        how="ask the built-in handler for 200 tokens where option.n_positions is 128",
        answer=r"^HTTP/1\.1 424 (?s:.*)\"error\":\"\"",
        log=r"(?:^|: )StopIteration$",
        cause="The cache was compiled for n_positions. Behind its end the library looks for a larger program in vain.",
        fix="Raise option.n_positions (it costs memory on each core), or ask for fewer tokens.",
        chip="The same bare StopIteration with its empty message, after all tokens up to the limit were computed.",
        scene=_NO_CODE,
        act=_beyond_positions,
    ),
    Drill(
        name="article-body-to-the-built-in-handler",
        title="The article's body to the built-in handler",
        how="send seq_length and text to a folder without model.py",
        answer=r"^HTTP/1\.1 424 (?s:.*)TextEncodeInput must be Union",
        log=r"TypeError: TextEncodeInput must be Union",
        cause="Without the key `inputs` the built-in handler takes the whole body for the prompt.",
        fix='Send {"inputs": [...], "parameters": {...}} to the built-in handler.',
        chip="The same words.",
        scene=_NO_CODE,
        act=_article_body,
    ),
)
