"""The URL names a model that the folder does not make."""

from collections.abc import Iterator

from inf2lab.folder import MODEL_STORE, ModelFolder
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
_LOADS = {"-m", "--models", "-f", "--config-file"}  # of djl-serving: models by names of their own


def check(folder: Folder) -> Hits:
    right, known = folder.model_name, set(_mounted(folder))
    if any(_LOADS & set(run.arguments) or "SERVING_LOAD_MODELS" in run.env for run in folder.containers):
        return
    for request in folder.all_requests:
        if request.model and request.model not in {right, *known}:
            message = f"`/predictions/{short(request.model)}` is a 404: the folder's model is `{short(right)}`"
            yield Hit(request, message, fix=f"write `/predictions/{short(right)}`")


def _mounted(folder: Folder) -> Iterator[str]:
    """Names under which a container may see the folder: what is mounted as the store itself is called `model`."""
    for run in folder.containers:
        for _, target in run.mounts:
            if f"{target}/".startswith(f"{MODEL_STORE}/"):
                yield ModelFolder.named(target).name
