"""The model store or the logs are mounted where the server does not look, or as a user who cannot write."""

from inf2lab.folder import MODEL_STORE
from inf2lab.lint.examples import served
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "mount-elsewhere", Severity.ERROR
WHY = (
    "The image looks for models in /opt/ml/model and writes to /opt/djl/logs, as user djl (1000). An "
    "empty model store is no error: the server runs and knows no model."
)
CURE = "Mount the store with -v DIR:/opt/ml/model, the logs with -v DIR:/opt/djl/logs, and run as djl."
BAD = served(more="-v $PWD/models:/opt/ml/models")
GOOD = served(more="-v $PWD:/opt/ml/model:ro -v $PWD/logs:/opt/djl/logs -u djl")
EXPECT = ["run.sh:2 nothing is mounted at /opt/ml/model: the server finds no model"]
MORE = [
    Example(
        bad=served(more="-v $PWD:/opt/ml/model -u 1234"),
        good=GOOD,
        expect=("run.sh:2 user `1234` cannot write below /opt/djl, which belongs to djl (1000)",),
    )
]
_MODEL_FROM_ELSEWHERE = {"SERVING_MODEL_STORE", "SERVING_LOAD_MODELS", "HF_MODEL_ID"}
_LOADS = {"-m", "--models", "-s", "--model-store", "-f", "--config-file"}  # of djl-serving


def check(folder: Folder) -> Hits:
    for run in folder.containers:
        if "djl" not in run.image:
            continue
        inside = any(f"{target}/".startswith(f"{MODEL_STORE}/") for _, target in run.mounts)
        if not inside and not run.env.keys() & _MODEL_FROM_ELSEWHERE and not _LOADS & set(run.arguments):
            where = next((v for v in run.all("volume")), "docker")
            yield Hit(run.command.at(where), f"nothing is mounted at {MODEL_STORE}: the server finds no model")
        for user in run.all("user"):
            if user.split(":")[0] not in ("djl", "1000", "root", "0") and "$" not in user and "`" not in user:
                message = f"user `{short(user)}` cannot write below /opt/djl, which belongs to djl (1000)"
                yield Hit(run.command.at(f"-u {user}"), message, severity=Severity.WARNING)
