"""The request has the keys of another handler."""

from inf2lab.lint.examples import HANDLER_OF_TEXT, OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "request-of-the-other-route", Severity.ERROR
WHY = (
    "`text` and `seq_length` are the words of the article's model.py; the built-in handler reads `inputs`. A missing "
    "key is an exception in the handler, and the client gets 424."
)
CURE = "Send the keys that the folder's handler reads."
BAD = {
    "serving.properties": OPT_1_3B + "option.n_positions=128\n",
    "request.json": '{"seq_length": 64, "text": ["Hello"]}',
}
GOOD = BAD | {"request.json": '{"inputs": ["Hello"], "parameters": {"max_new_tokens": 64}}'}
EXPECT = ["request.json:1 the built-in handler reads `inputs`, which the request does not have"]
_OWN = {"serving.properties": "engine=Python\n", "model.py": HANDLER_OF_TEXT}
MORE = [
    Example(
        bad=_OWN | {"request.json": '{"inputs": ["Hello"]}'},
        good=_OWN | {"request.json": '{"text": ["Hello"]}'},
        expect=("request.json:1 model.py reads `text`, which the request does not have",),
    )
]
_CHATS = (0, 27)  # the built-in handler reads `messages` too


def check(folder: Folder) -> Hits:
    for request in (one for one in folder.all_requests if one.known):
        if not isinstance(request.body, dict):
            if folder.built_in or (folder.own and folder.own.body_keys[0]):
                yield Hit(request, "the body is not a JSON object")
            continue
        if folder.built_in and folder.release >= _CHATS and "messages" in request.body:
            continue
        if folder.built_in:
            who, needed = "the built-in handler", [folder.profile.request.prompts]
        elif folder.own:
            who = folder.own.file
            needed = list(dict.fromkeys(read.key for read in folder.own.body_keys[0] if read.required))
        else:
            continue
        missing = [key for key in needed if key not in request.body]
        if missing:
            keys = ", ".join(f"`{short(key)}`" for key in missing)
            yield Hit(request, f"{who} reads {keys}, which the request does not have")
