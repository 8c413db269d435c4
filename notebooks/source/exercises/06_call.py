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
# # Exercise 06: a client that does not give up
#
# After [06 Call the endpoint](../06_call.ipynb). Fifteen minutes.
#
# A busy server answers **503**: its queue is full. That is not a failure, it says "later". A good client waits a little
# and asks again, each time a little longer. It does not do that for any other error: a wrong body stays wrong.

# %% id="nb06-c02" tags=["parameters"]
port: int = 8080

# %% [markdown] id="nb06-c03"
# A server whose queue is short. It takes half a second an answer, one at a time.

# %% id="nb06-c04"
from inf2lab import ModelFolder, Server, Settings, check, enter_repository, write_properties

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
# Now the client. `asked` counts how often it asks.

# %% id="nb06-c08"
import time

asked = []


def send_patiently(endpoint, body, first_pause_s=0.1):
    """Return the first answer that is not 503."""
    asked.append(body)
    answer = endpoint.send(body)
    # solution: as long as the answer is 503, sleep, double the pause and ask again (and append to `asked`)
    pause_s = first_pause_s
    while answer.status == 503:
        time.sleep(pause_s)
        pause_s *= 2
        asked.append(body)
        answer = endpoint.send(body)
    # end of solution
    return answer


# %% [markdown] id="nb06-c09"
# Five clients at once, and one with a wrong body.

# %% id="nb06-c10"
from concurrent.futures import ThreadPoolExecutor

server = Server.start(settings, folder.path, report=lambda line: None)
with ThreadPoolExecutor(5) as pool:
    answers = list(pool.map(lambda n: send_patiently(server.endpoint, {"text": f"client {n}"}), range(5)))
before = len(asked)
wrong = send_patiently(server.endpoint, {"no text": "in it"})
times_asked_wrongly = len(asked) - before
server.stop()
print([answer.status for answer in answers], wrong.status)

# %% [markdown] id="nb06-c11"
# ## Check yourself

# %% id="nb06-c12" tags=["check"]
check(
    "every client got its text",
    all(answer.ok for answer in answers),
    hint="ask again while the status is 503",
)
check("it took more than five requests", before > 5, hint="each new try is appended to `asked`")
check(
    "a wrong body is not sent twice",
    (wrong.status, times_asked_wrongly) == (424, 1),
    hint="only 503 means later",
)

# %% [markdown] id="nb06-c13"
# The solution is in the exercise's source, [06_call.py](../source/exercises/06_call.py).
