"""model.py takes from transformers-neuronx what the image's release does not have."""

from inf2lab import catalog
from inf2lab.lint.examples import HANDLER
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "name-that-the-library-lacks", Severity.ERROR
WHY = (
    "Classes and modules came release by release: Llama with 0.5, the adapter for Hugging Face with 0.3. An import of "
    "what is not there ends the load with ModuleNotFoundError or ImportError."
)
CURE = "Choose a profile whose library has it, or write the code for this one."
_LLAMA = "from transformers_neuronx.llama.model import LlamaForSampling\n" + HANDLER
BAD = {"serving.properties": "option.model_loading_timeout=1200\n", "model.py": _LLAMA}
GOOD = BAD | {"model.py": _LLAMA.replace("llama", "opt").replace("Llama", "OPT")}
EXPECT = ["model.py:1 transformers-neuronx 0.2 has no module `transformers_neuronx.llama.model`: it came with 0.5"]
PROFILE = "seed-0.21"
_CONSTANTS = "from transformers_neuronx import constants\nCONFIG = constants.GenerationConfig(top_k=50)\n" + HANDLER
MORE = [
    Example(
        bad={"serving.properties": "engine=Python\n", "model.py": _CONSTANTS},
        good={"serving.properties": "engine=Python\n", "model.py": _CONSTANTS.replace("constants", "config")},
        expect=(
            "model.py:2 no release of transformers-neuronx has `GenerationConfig` in `transformers_neuronx.constants`: "
            "it is in transformers_neuronx and transformers_neuronx.config",
        ),
    )
]


def check(folder: Folder) -> Hits:
    own = folder.own
    for taken in own.taken if own else ():
        if taken.guarded or not taken.module.startswith("transformers_neuronx"):
            continue
        said = catalog.missing_from_library(taken.module, taken.name, folder.profile)
        if own and said:
            yield Hit(own.at(taken.line), said)
