"""curl -d without a content type sends a form, and the handler sees no body."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "request-taken-for-a-form", Severity.ERROR
WHY = (
    "Without the header curl says application/x-www-form-urlencoded; the server takes the JSON for a "
    "field's name, and the answer is an empty 204."
)
CURE = "Add -H 'Content-Type: application/json'."
BAD = {
    "serving.properties": OPT_1_3B + "option.n_positions=128\n",
    "call.sh": 'curl http://127.0.0.1:8080/predictions/opt13b -d \'{"inputs": ["Hello"]}\'\n',
}
GOOD = BAD | {"call.sh": BAD["call.sh"].replace(" -d", " -H 'Content-Type: application/json' -d")}
EXPECT = ["call.sh:1 the body is sent as a form, and the handler finds no `data`"]


def check(folder: Folder) -> Hits:
    for request in folder.all_requests:
        if not request.json_type:
            yield Hit(request, "the body is sent as a form, and the handler finds no `data`")
