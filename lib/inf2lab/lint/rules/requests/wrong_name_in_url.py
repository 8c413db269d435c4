"""The URL names a model that the folder does not make."""

import re

from inf2lab.lint.examples import OPT_13B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "wrong-name-in-url", Severity.ERROR
WHY = (
    "The model is called what its folder is called, and every character but letters, digits and _ "
    "becomes _. Another name is a 404."
)
CURE = "Write the model's name as the server makes it."
BAD = {
    "serving.properties": OPT_13B + "option.dtype=fp16\noption.tensor_parallel_degree=8\n",
    "call.sh": (
        'curl http://127.0.0.1:8080/predictions/opt-13b -H "Content-Type: application/json" -d '
        '\'{"inputs": ["Hello"]}\'\n'
    ),
}
GOOD = BAD | {"call.sh": BAD["call.sh"].replace("/opt-13b", "/opt13b")}
EXPECT = ["call.sh:1 `/predictions/opt-13b` is a 404: the folder's model is `opt13b`"]
_ROUTE = re.compile(r"/predictions/([^/?#\s]+)")


def check(folder: Folder) -> Hits:
    for request in folder.all_requests:
        match = _ROUTE.search(request.url)
        if match and match[1] != folder.model_name and "$" not in match[1]:
            message = f"`/predictions/{short(match[1])}` is a 404: the folder's model is `{short(folder.model_name)}`"
            yield Hit(request.line, message, file=request.file, fix=f"write `/predictions/{short(folder.model_name)}`")
