"""Loading takes more of the host's memory than the instance has."""

from inf2lab import catalog
from inf2lab.folder import Reading
from inf2lab.lint.examples import HANDLER_OF_CHECKPOINT
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity
from neuron_rules import ModelDims, host_peak

NAME, SEVERITY = "load-beyond-the-host", Severity.WARNING
WHY = (
    "The weights pass through the host's memory. Hugging Face reads them in 32-bit floats unless `torch_dtype` says "
    "otherwise, with a file of up to 10 GB in hand; when memory is full the kernel kills the worker."
)
CURE = 'Write `torch_dtype="auto"` and `low_cpu_mem_usage=True` in from_pretrained, or take a larger instance.'
BAD = (
    "option.entryPoint=djl_python.transformers_neuronx\noption.model_id=bigscience/bloom\n"
    "option.tensor_parallel_degree=24\noption.dtype=fp16\n"
)
GOOD = BAD + "option.low_cpu_mem_usage=true\n"
EXPECT = [
    "serving.properties:2 loading takes up to 1324 GiB of the host's 768: the built-in handler holds it twice in f32"
]
_SMALL = "option.model_id=facebook/opt-6.7b\noption.tensor_parallel_degree=2\noption.n_positions=2048\n"
MORE = [
    Example(
        bad={"serving.properties": _SMALL, "model.py": HANDLER_OF_CHECKPOINT},
        good={
            "serving.properties": _SMALL,
            "model.py": HANDLER_OF_CHECKPOINT.replace('["model_id"])', '["model_id"], torch_dtype="auto")'),
        },
        expect=(
            "serving.properties:1 loading takes up to 36 GiB of the host's 32: "
            "read in f32, as model.py names no torch_dtype",
        ),
        instance="trn1.2xlarge",
    )
]


SPLIT = "Take a larger instance, or split the checkpoint on one and write its path and `option.load_split_model=true`."


def check(folder: Folder) -> Hits:
    if not (folder.dims and (folder.built_in or folder.own)):
        return
    room, read = folder.instance.host_gib, folder.reading
    if (most := _most_gib(folder, folder.dims, read)) > room:
        entry = folder.option("model_id")
        message = f"loading takes up to {most:.0f} GiB of the host's {room}: {read.text}"
        yield Hit(entry.line if entry else 1, message, fix=None if folder.own else _fix(folder, folder.dims, read))


def _fix(folder: Folder, dims: ModelDims, read: Reading) -> str:
    """What helps the built-in handler, whose code nobody changes."""
    if read.lighter and _most_gib(folder, dims, read.lighter) <= folder.instance.host_gib:
        return f"Write `{read.remedy}`."
    return SPLIT


def _most_gib(folder: Folder, dims: ModelDims, read: Reading) -> float:
    peak = host_peak(
        dims,
        dtype=folder.amp or "f16",
        n_positions=folder.n_positions or dims.max_positions,
        read_as=read.dtype,
        copies=read.copies,
        rates=catalog.loading_facts().host,
        parameters=catalog.parameters_of(dims),
    )
    return peak.of(folder.copies)
