# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] id="nb03-c01"
# # Exercise 03: mend a serving.properties
#
# After [03 Serve without code](../03_serving_properties.ipynb). Ten minutes; nothing is started.
#
# A colleague left this file for the built-in handler of DJLServing 0.25. It will not load, for more than one reason. On
# the chip you would find them one by one, minutes apart.

# %% id="nb03-c02"
from pathlib import Path

from inf2lab import Settings, check, enter_repository, lint, write_properties

enter_repository()
settings = Settings()
folder = Path("models/exercise_03")
options = {
    "engine": "Python",
    "option.entrypoint": "djl_python.transformers-neuronx",
    "option.model_id": "facebook/opt-13b",
    "option.tensor_parallel_degree": "2",
    "option.batch_size": "3",
    "option.n_positions": "4096",
    "option.dtype": "f16",
}

# %% [markdown] id="nb03-c03"
# The linter reads it as the server would. Only its errors count here.


# %% id="nb03-c04"
def errors(values):
    """Return the linter's errors about a folder with these options."""
    write_properties(folder / "serving.properties", values)
    return [str(finding) for finding in lint(folder, settings).findings if finding.severity == "error"]


print(*errors(options), sep="\n")

# %% [markdown] id="nb03-c05"
# Mend it. The model, the degree and the number of 2048 positions shall stay what they are (were meant to be).

# %% id="nb03-c06"
mended = dict(options)
# solution: change or remove one key after the other, until errors(mended) is empty
del mended["option.entrypoint"]  # keys are read with their capitals: entryPoint
mended["option.entryPoint"] = "djl_python.transformers_neuronx"
mended["option.dtype"] = "fp16"
mended["option.n_positions"] = "2048"
mended["option.batch_size"] = "2"
# end of solution
print(*errors(mended), sep="\n")

# %% [markdown] id="nb03-c07"
# ## Check yourself

# %% id="nb03-c08" tags=["check"]
check(
    "the linter finds no error", not errors(mended), hint="read the first line above: it names key and cure"
)
check(
    "it is still OPT-13B on 2 cores with 2048 positions",
    [mended.get(f"option.{name}") for name in ("model_id", "tensor_parallel_degree", "n_positions")]
    == ["facebook/opt-13b", "2", "2048"],
    hint="mend the others",
)
check(
    "the built-in handler is named",
    mended.get("option.entryPoint") == "djl_python.transformers_neuronx",
    hint="an entry point that is not read is replaced by a guess",
)

# %% [markdown] id="nb03-c09"
# The solution is in the exercise's source, [03_serving_properties.py](../source/exercises/03_serving_properties.py).
