"""More copies of the model start than anybody meant."""

from inf2lab.lint.examples import HANDLER_OF_CHECKPOINT, OPT_13B
from inf2lab.lint.handler import Handler, owner
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity
from neuron_rules import GIB

NAME, SEVERITY = "uncounted-copies", Severity.WARNING
WHY = (
    "The server starts one worker for every group of cores of the degree's size, each with its own copy: 16 cores are "
    "eight copies at degree 2 and two at degree 8, and each copy passes through the host's memory."
)
CURE = "Pass as many devices as the copies you want need, or raise the degree."
BAD = {
    "serving.properties": OPT_13B + "option.tensor_parallel_degree=2\noption.dtype=fp16\n",
    "run.sh": (
        "docker run -p 127.0.0.1:8080:8080 --device /dev/neuron0 --device /dev/neuron1 \\\n"
        "  -v $PWD/models:/opt/ml/model deepjavalibrary/djl-serving:0.25.0-pytorch-inf2 serve\n"
    ),
}
GOOD = BAD | {"run.sh": BAD["run.sh"].replace("--device /dev/neuron1 ", "")}
EXPECT = ["run.sh:1 2 devices are 4 cores: 2 copies of the model at degree 2"]
_SMALL = "option.model_id=facebook/opt-13b\noption.tensor_parallel_degree=8\noption.dtype=f16\n"
MORE = [
    Example(
        bad={"serving.properties": _SMALL.replace("13b", "66b"), "model.py": HANDLER_OF_CHECKPOINT},
        good={"serving.properties": _SMALL, "model.py": HANDLER_OF_CHECKPOINT},
        expect=(
            "serving.properties:2 4 copies of the model start on 32 cores and read 263 GB each: "
            "more than the host's 512 GiB at once",
        ),
        instance="trn1.32xlarge",
    )
]


def check(folder: Folder) -> Hits:
    degree = folder.degree
    if not degree or degree < 1 or not (folder.built_in or folder.own):
        return
    for run in folder.containers:
        devices = len(run.visible(folder.instance.chips))
        if (copies := folder.copies_on(devices)) > 1:
            cores = devices * folder.instance.cores_per_chip
            text = f"{devices} devices are {cores} cores: {copies} copies of the model at degree {degree}"
            yield Hit(run.command.first, text, file=run.command.file)
    if not folder.containers and folder.own and folder.read_bytes and folder.copies > 1 and _reads_whole(folder.own):
        size = folder.read_bytes
        entry, host_gib = folder.option("tensor_parallel_degree"), folder.instance.host_gib
        if folder.copies * size > host_gib * GIB:
            yield Hit(
                entry or 1,
                f"{folder.copies} copies of the model start on {folder.copies * degree} cores and read "
                f"{size / 1e9:.0f} GB each: more than the host's {host_gib} GiB at once",
            )


def _reads_whole(handler: Handler) -> bool:
    return any(owner(call).endswith("ForCausalLM") for call in handler.calls_of("from_pretrained"))
