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

# %% [markdown] id="nb08-c01"
# # Exercise 08: a folder that does not load
#
# After [08 Break it on purpose](../08_break_it.ipynb). Fifteen minutes.
#
# This folder worked with another release, somebody says. It does not load now. There are **two** reasons, and you see the
# second only when the first is mended. No linter this time: on an instance you may have nothing but the log.

# %% id="nb08-c02" tags=["parameters"]
port: int = 8080

# %% [markdown] id="nb08-c03"
# The folder, and a way to try it.

# %% id="nb08-c04"
from inf2lab import LabError, ModelFolder, Server, Settings, check, drills, enter_repository, write_properties

enter_repository()
settings = Settings.from_notebook(globals()).beside()
folder = ModelFolder.named("exercise_08")
options = {
    "engine": "Python",
    "option.entryPoint": "djl_python.transformers-neuronx",
    "option.model_id": "facebook/opt-13b",
    "option.tensor_parallel_degree": "2",
    "option.batch_size": "2",
    "option.n_positions": "128",
    "option.dtype": "f16",
}

# %% [markdown] id="nb08-c05"
# It starts the folder with these options, and explains the log if it fails.


# %% id="nb08-c06"
def attempt(values):
    """Return the names of the failures that the log shows, and whether the model answered."""
    write_properties(folder.properties_path, values)
    server = Server.of(settings, folder.path)
    answered = False
    try:
        server = Server.start(settings, folder.path, report=lambda line: None)
        answered = server.endpoint.send(
            {"inputs": ["Hello", "Hello"], "parameters": {"max_new_tokens": 20}}
        ).ok
    except LabError:
        print(*drills.explain(server.log_path.read_text()), sep="\n\n")
    names = [match.name for match in drills.explain(server.log_path.read_text())]
    server.stop()
    return names, answered


first_failures, _ = attempt(options)

# %% [markdown] id="nb08-c07"
# Mend it, and try again; then the second.

# %% id="nb08-c08"
mended = dict(options)
# solution: mend the first reason, call attempt(mended), read, mend the second
mended["option.entryPoint"] = "djl_python.transformers_neuronx"
mended["option.dtype"] = "fp16"
# end of solution
failures, answered = attempt(mended)
print(failures, answered)

# %% [markdown] id="nb08-c09"
# ## Check yourself

# %% id="nb08-c10" tags=["check"]
check(
    "the log shows no known failure any more", failures == [], hint="the last failure printed above has a fix"
)
check("the model answers", answered, hint="attempt(mended)")
check(
    "nothing else was changed",
    all(mended[key] == options[key] for key in options if key not in ("option.entryPoint", "option.dtype")),
    hint="two keys are enough",
)

# %% [markdown] id="nb08-c11"
# The solution is in the exercise's source, [08_break_it.py](../source/exercises/08_break_it.py).
