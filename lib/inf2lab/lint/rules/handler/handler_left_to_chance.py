"""Without an entry point the server chooses the handler, and it may choose one that uses no NeuronCore."""

from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "handler-left-to-chance", Severity.WARNING
WHY = (
    "The Neuron handler is chosen only where NeuronCores are found and a degree is set; "
    "elsewhere the same file starts `djl_python.huggingface` on the CPU."
)
CURE = "Name the handler with `option.entryPoint`."
BAD = "option.model_id=facebook/opt-13b\n"
GOOD = "option.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-13b\n"
EXPECT = ["serving.properties:1 no `option.entryPoint` and no degree: the Neuron handler is not chosen"]
MORE = [
    Example(
        bad="option.entryPoint=djl_python.huggingface\noption.model_id=facebook/opt-13b\n",
        good="option.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-13b\n",
        expect=("serving.properties:1 `djl_python.huggingface` does not use NeuronCores",),
    )
]
_ON_CPU = {"djl_python.huggingface", "djl_python.deepspeed", "djl_python.fastertransformer"}


def check(folder: Folder) -> Hits:
    entry = folder.entry_point
    name = folder.profile.entry_point
    if entry and entry.value.strip() in _ON_CPU:
        yield Hit(entry, f"`{entry.value.strip()}` does not use NeuronCores", fix=f"write `{name}`")
    degree = folder.properties.last("option.tensor_parallel_degree")
    if not entry and not folder.handler and folder.profile.automatic_handler and not degree:
        message = "no `option.entryPoint` and no degree: the Neuron handler is not chosen"
        yield Hit(1, message, fix=f"write `option.entryPoint={name}`")
