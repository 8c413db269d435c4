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

# %% [markdown] id="nb04-c01"
# # Exercise 04: fewer prompts than rows
#
# After [04 Write your own handler](../04_model_py.ipynb). Fifteen minutes.
#
# The compiled model takes exactly `ROWS` rows. Clients send one prompt, or three. A good handler fills the batch up, and
# gives back only what was asked for. More than `ROWS` prompts remain an error.
#
# To be quick, a function stands for the model here. It is as strict as the chip.

# %% id="nb04-c02" tags=["parameters"]
port: int = 8080

# %% [markdown] id="nb04-c03"
# The server gets the next port and the next Neuron device; your own may go on running.

# %% id="nb04-c04"
from inf2lab import ModelFolder, Server, Settings, check, enter_repository, write_properties

enter_repository()
settings = Settings.from_notebook(globals()).beside()
folder = ModelFolder.named("exercise_04")
_ = write_properties(folder.properties_path, {"engine": "Python"})

# %% [markdown] id="nb04-c05"
# Fill in the two places.

# %% id="nb04-c06"
# %%writefile models/exercise_04/model.py
# from djl_python import Input, Output
#
# ROWS = 4
#
#
# def model(rows):
#     """Stand for the compiled program: it takes ROWS rows, no more and no less."""
#     if len(rows) != ROWS:
#         raise RuntimeError("compiled for %d rows, got %d" % (ROWS, len(rows)))
#     return [row.upper() for row in rows]
#
#
# def handle(inputs: Input):
#     if inputs.is_empty():
#         return None
#     prompts = inputs.get_as_json()["text"]
#     rows = list(prompts)
#     # solution: fill `rows` up to ROWS with empty prompts
#     rows += [""] * (ROWS - len(rows))
#     # end of solution
#     texts = model(rows)
#     # solution: keep only the texts of `prompts`
#     texts = texts[: len(prompts)]
#     # end of solution
#     return Output().add_as_json({"outputs": texts})

# %% [markdown] id="nb04-c07"
# Serve it, and ask with one, three, four and five prompts.

# %% id="nb04-c08"
server = Server.start(settings, folder.path, report=lambda line: None)
answers = {n: server.endpoint.send({"text": ["hello"] * n}) for n in (1, 3, 4, 5)}
server.stop()
for n, answer in answers.items():
    print(n, "->", answer.status, answer.error or answer.json())

# %% [markdown] id="nb04-c09"
# ## Check yourself

# %% id="nb04-c10" tags=["check"]
for n in (1, 3, 4):
    check(
        f"{n} prompts, {n} texts",
        answers[n].ok and len(answers[n].json()["outputs"]) == n,
        hint="add empty rows before the model is called; cut the texts after it",
    )
check("five prompts are refused", answers[5].status == 424, hint="do not cut what the client asked for")

# %% [markdown] id="nb04-c11"
# The solution is in the exercise's source, [04_model_py.py](../source/exercises/04_model_py.py).
