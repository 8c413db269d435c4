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

# %% [markdown] id="nb06-c01"
# # Exercise 06: a client that does not give up too early
#
# After [06 Call the endpoint](../06_call.ipynb). Twenty minutes.
#
# A busy server answers **503**: its queue is full. That is not a failure, it means "later". A good client waits a little
# and asks again. Each pause is longer than the one before, and after `most` requests the client stops. It repeats no
# request for any other error: a wrong body stays wrong.

# %% id="nb06-c02" tags=["parameters"]
port: int = 8080

# %% [markdown] id="nb06-c03"
# This server has a short queue. It needs half a second for an answer, and works on one request at a time.

# %% id="nb06-c04"
from inf2lab import ModelFolder, Server, Settings, enter_repository, write_properties

enter_repository()
settings = Settings.from_notebook(globals()).beside()
folder = ModelFolder.named("exercise_06")
_ = write_properties(folder.properties_path, {"engine": "Python", "job_queue_size": 1})

# %% [markdown] id="nb06-c05"
# Its handler:

# %% id="nb06-c06"
# %%writefile models/exercise_06/model.py
# import time
#
# from djl_python import Input, Output
#
#
# def handle(inputs: Input):
#     if inputs.is_empty():
#         return None
#     text = inputs.get_as_json()["text"]
#     time.sleep(0.5)
#     return Output().add_as_json({"outputs": text})

# %% [markdown] id="nb06-c07"
# ## 1. The client

# %% id="nb06-c08"
import time


def send_patiently(endpoint, body, first_pause_s=0.1, most=10):
    """Return the first answer that is not 503, or the last one of `most` requests."""
    answer = endpoint.send(body)
    # solution: while the answer is 503 and fewer than `most` were sent: sleep, ask again, double the pause
    pause_s, sent = first_pause_s, 1
    while answer.status == 503 and sent < most:
        time.sleep(pause_s)
        pause_s *= 2
        sent += 1
        answer = endpoint.send(body)
    # end of solution
    return answer


# %% [markdown] id="nb06-c09" tags=["reason"]
# **Why.** The pause doubles, so that many clients do not come back together, again and again. There is an end, so that a server
# that is down for an hour does not hold your program for an hour. Nothing but 503 is repeated: 424 comes from the handler, and
# the same body gives the same exception. (A client in production adds chance to the pause, and respects a deadline.)

# %% [markdown] id="nb06-c10"
# Five clients at once, and one with a wrong body.

# %% id="nb06-c11" tags=["server"]
from concurrent.futures import ThreadPoolExecutor

server = Server.start(settings, folder.path, report=lambda line: None)
with ThreadPoolExecutor(5) as pool:
    answers = list(pool.map(lambda n: send_patiently(server.endpoint, {"text": f"client {n}"}), range(5)))
wrong = send_patiently(server.endpoint, {"no text": "in it"})
server.stop()
print([answer.status for answer in answers], wrong.status)

# %% [markdown] id="nb06-c12"
# ## 2. Four answers
#
# The server of notebook 06 gave these answers, each to a different request. What must the client change? Choose a letter.
#
# ```
# 1   HTTP/1.1 424 prediction failure
#     {"code":424, "message":"prediction failure", "error":"'seq_length'"}
#
# 2   HTTP/1.1 204 No content
#
# 3   HTTP/1.1 404 Not Found
#     {"code": 404, "type": "ModelNotFoundException", "message": "Model or workflow not found: opt-13b"}
#
# 4   HTTP/1.1 424 prediction failure
#     {"code":424, "message":"prediction failure",
#      "error":"input of shape (3, 9) does not match the compiled shape (2, 9): send batch_size=2 rows"}
# ```
#
# | | |
# |---|---|
# | a | the model's name in the URL |
# | b | nothing: ask again later |
# | c | a key is missing in the body |
# | d | the text is too long |
# | e | the header `Content-Type` |
# | f | the number of prompts |

# %% id="nb06-c13"
to_do = {1: ..., 2: ..., 3: ..., 4: ...}
# solution: a letter for each answer, as in "a"
to_do = {1: "c", 2: "e", 3: "a", 4: "f"}
# end of solution
print(to_do)

# %% [markdown] id="nb06-c14" tags=["reason"]
# **Why.** `'seq_length'`, quotes included, is Python's text of a `KeyError`. **204** without a body: `curl -d` without a header
# says that the body is a form, and this release reads a form as no body at all. **404** repeats the name in the URL, `opt-13b`; the
# folder is `opt13b`. Shape `(3, 9)` are three prompts of nine tokens, and two rows were compiled.

# %% [markdown] id="nb06-c15"
# ## Check yourself

# %% id="nb06-c16" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("06_call", globals())

# %% [markdown] id="nb06-c17"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
