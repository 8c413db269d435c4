"""What is read out of a model.py: options and request keys through assignments, parameters and calls."""

from __future__ import annotations

import pytest

from inf2lab.lint.handler import parse_handler


def options(text: str) -> tuple[list[tuple[str, bool]], bool]:
    reads, others = parse_handler("model.py", text, "3.8").options
    return [(read.key, read.required) for read in reads], others


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def handle(i):\n    p = i.get_properties()\n    p['a']\n    p.get('b', 1)\n", [("a", True), ("b", False)]),
        ("def handle(i):\n    i.get_properties()['a']\n", [("a", True)]),
        ("def load(p):\n    return p['a']\ndef handle(i):\n    load(i.get_properties())\n", [("a", True)]),
        ("def load(x):\n    return x['a']\ndef handle(i):\n    load(x=i.get_properties())\n", [("a", True)]),
        (
            "class S:\n    def init(self, x):\n        self.a = x['a']\n"
            "def handle(i):\n    S().init(i.get_properties())\n",
            [("a", True)],
        ),
        ("def load(properties):\n    if 'a' in properties:\n        return properties['a']\n", [("a", False)]),
        (
            "def load(properties):\n    try:\n        properties['a']\n    except KeyError:\n        pass\n",
            [("a", False)],
        ),
        ("def load(properties):\n    return properties.get('option.a')\n", [("a", False)]),
        ("def load(properties):\n    properties['a'] = 1\n", []),
    ],
)
def test_options_that_are_read(text: str, found: list[tuple[str, bool]]) -> None:
    assert options(text) == (found, False)


@pytest.mark.parametrize(
    "use",
    [
        "for k in properties: ...",
        "other(properties)",
        "dict(**properties)",
        "properties[name]",
        "x = properties.items()",
    ],
)
def test_what_cannot_be_followed_is_said(use: str) -> None:
    assert options(f"def load(properties):\n    {use}\n")[1]


def test_the_keys_of_a_request() -> None:
    text = "def handle(i):\n    data = i.get_as_json()\n    return data['text'], data.get('n', 1)\n"
    reads, others = parse_handler("model.py", text, "3.8").body_keys
    assert ([(r.key, r.required) for r in reads], others) == ([("text", True), ("n", False)], False)


@pytest.mark.parametrize("python", ["3.8", "3.9"])
def test_syntax_is_that_of_the_image(python: str) -> None:
    text = "def handle(i):\n    match i:\n        case _:\n            return None\n"
    assert "3.10" in parse_handler("model.py", text, python).error[1]
    assert parse_handler("model.py", text, "3.10").error is None


@pytest.mark.parametrize("text", ["\0", "(" * 5000, "def", "x = '\\q'", "\udcff"])
def test_no_text_stops_the_reader(text: str) -> None:
    handler = parse_handler("model.py", text, "3.8")
    assert handler.options[0] == ()


def test_a_value_is_followed_to_where_it_is_used() -> None:
    text = "def load(properties):\n    amp = properties.get('dtype')\n    use(amp=amp, other=properties['dtype'])\n"
    handler = parse_handler("model.py", text, "3.8")
    (call,) = handler.calls_of("use")
    assert all(handler.holds(keyword.value, "dtype") for keyword in call.keywords)
    assert not handler.holds(call.keywords[0].value, "batch_size")


def test_models_that_the_code_names() -> None:
    text = "name = 'facebook/opt-13b'\nA.from_pretrained(name)\nB.from_pretrained('gpt2')\nC.from_pretrained(x)\n"
    assert parse_handler("model.py", text, "3.8").models == (("facebook/opt-13b", 1),)
