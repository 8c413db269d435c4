"""Two releases load some families by optimum-neuron, where the other releases take transformers-neuronx's classes."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "loader-of-another-library", Severity.NOTE
WHY = (
    "In 0.26.0 and 0.27.0 the built-in handler loads GPT-2, OPT, BLOOM and Llama by optimum-neuron where no option "
    "asks for something else. What is planned and rehearsed here is transformers-neuronx."
)
CURE = "From 0.27.0 on write `option.model_loader=tnx`; for 0.26.0 take another release."
BAD = OPT_1_3B + "option.n_positions=512\n"
GOOD = BAD + "option.model_loader=tnx\n"
EXPECT = ["serving.properties:1 0.27.0 loads `opt` by optimum-neuron"]
PROFILE = "djl-0.27"
MORE = [
    Example(
        bad=BAD,
        good=BAD + "option.load_in_8bit=true\n",
        expect=("serving.properties:1 0.26.0 loads `opt` by optimum-neuron",),
        profile="djl-0.26",
    )
]
# transformers_neuronx.py and tnx_properties.py of djl-serving at v0.26.0 and v0.27.0: families that optimum loads
# without a rolling batch and with one, and options that choose the other loader.
_FAMILIES: dict[tuple[int, ...], tuple[set[str], set[str]]] = {
    (0, 26): ({"gpt2", "opt", "bloom", "llama"}, set()),
    (0, 27): ({"gpt2", "opt", "bloom"}, {"gpt2", "opt", "bloom", "llama", "mistral"}),
}
_CHOOSE = ["model_loader", "partition_schema", "load_in_8bit", "load_split_model", "quantize", "fuse_qkv"]
_CHOOSE += ["collectives_layout", "on_device_embedding", "compiled_graph_path", "context_length_estimate"]


def check(folder: Folder) -> Hits:
    alone, rolling = _FAMILIES.get(folder.release[:2], (set(), set()))
    family = str(folder.model_config.get("model_type"))
    if not folder.built_in or family not in (rolling if folder.rolling else alone):
        return
    if not any(folder.option(name) for name in _CHOOSE):
        yield Hit(folder.entry_point or 1, f"{folder.profile.djl} loads `{family}` by optimum-neuron")
