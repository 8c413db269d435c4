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
# After [04 Write your own handler](../04_model_py.ipynb). Twenty minutes.
#
# The compiled model takes exactly `ROWS` rows of **one** length, and for each row the place where its text begins. Clients
# send one prompt, or three, of different lengths. A good handler fills the batch up, pads on the left, and gives back only
# what was asked for. More than `ROWS` prompts remain an error.
#
# To be quick, a function takes the model's place here. It is as strict as the chip.

# %% id="nb04-c02" tags=["parameters"]
port: int = 8080

# %% [markdown] id="nb04-c03"
# The server gets the next port and the next Neuron device; your own server can keep running.

# %% id="nb04-c04"
from inf2lab import ModelFolder, Server, Settings, enter_repository, write_properties

enter_repository()
settings = Settings.from_notebook(globals()).beside()
folder = ModelFolder.named("exercise_04")
_ = write_properties(folder.properties_path, {"engine": "Python"})

# %% [markdown] id="nb04-c05"
# Fill in the three places. Do not change `encode` and `model`: the check brings a model of its own.

# %% id="nb04-c06"
# %%writefile models/exercise_04/model.py
# from djl_python import Input, Output
#
# ROWS = 4
#
#
# def encode(text):
#     """Return the tokens of a text: one that begins every text, then one for each letter."""
#     return [2] + [ord(letter) for letter in text]
#
#
# def model(ids, start_ids):
#     """Stand for the compiled program: it takes ROWS rows of one length, and where each begins."""
#     if len(ids) != ROWS or len(set(map(len, ids))) != 1 or len(start_ids) != ROWS:
#         raise RuntimeError("compiled for %d rows of one length, each with a start" % ROWS)
#     return ["".join(chr(token) for token in row[start + 1:]).upper() for row, start in zip(ids, start_ids)]
#
#
# def pad(rows):
#     """Return the rows, all as long as the longest, and where each one's text begins."""
#     start_ids = [0 for row in rows]
#     # solution: count what each row lacks; put as many zeros before it; where does its text begin then?
#     longest = max(len(row) for row in rows)
#     start_ids = [longest - len(row) for row in rows]
#     rows = [[0] * start + row for start, row in zip(start_ids, rows)]
#     # end of solution
#     return rows, start_ids
#
#
# def handle(inputs: Input):
#     if inputs.is_empty():
#         return None
#     prompts = inputs.get_as_json()["text"]
#     rows = [encode(prompt) for prompt in prompts]
#     # solution: refuse more than ROWS prompts; fill `rows` up to ROWS with empty prompts
#     if len(prompts) > ROWS:
#         raise ValueError("at most %d prompts, got %d" % (ROWS, len(prompts)))
#     rows += [encode("")] * (ROWS - len(rows))
#     # end of solution
#     texts = model(*pad(rows))
#     # solution: keep only the texts of `prompts`
#     texts = texts[: len(prompts)]
#     # end of solution
#     return Output().add_as_json({"outputs": texts})

# %% [markdown] id="nb04-c07" tags=["reason"]
# **Why.** The program is compiled for one shape. So the batch is filled before the call, and the extra answers are removed
# after it. The new token is written behind the last one of every row: so the texts must **end** at the same place, and the
# padding stands before them. The model would read a zero before a text as text. `start_ids` tell it where the text begins. Too many prompts are refused, because an
# answer that is silently shorter than the question is worse than an error.

# %% [markdown] id="nb04-c08"
# Serve it, and ask with one, three, four and five prompts.

# %% id="nb04-c09" tags=["server"]
server = Server.start(settings, folder.path, report=lambda line: None)
prompts = ["Hello", "Hello, I am a model", "Hi", "Good morning", "too many"]
for number in (1, 3, 4, 5):
    answer = server.endpoint.send({"text": prompts[:number]})
    print(number, "->", answer.status, answer.error or answer.json())
server.stop()

# %% [markdown] id="nb04-c10"
# ## Check yourself

# %% id="nb04-c11"
handler = folder.handler_path.read_text()

# %% [markdown] id="nb04-c12"
# The check calls your file as the server does, with a model that remembers what it was given.

# %% id="nb04-c13" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("04_model_py", globals())

# %% [markdown] id="nb04-c14"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
