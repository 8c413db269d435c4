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

# %% [markdown] id="nb05-c01"
# # Start the server and watch it get ready
#
# | | |
# |---|---|
# | **You will do** | read the docker command for the chip, start the server, follow it until it answers, see three loads fail |
# | **You will be able to** | tell loading from ready, read the log, and find out why a model did not load |
# | **Before you start** | [04 Write your own handler](04_model_py.ipynb): it writes `models/opt13b` |
# | **Time** | 20 minutes to read; 1 minute to run in the rehearsal; on the chip a load: 3 to 14 minutes by the planner, as notebook 04 left programs, else 7 to 55 |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price. **The server keeps running**: notebook 99 stops it |

# %% [markdown] id="nb05-c02"
# You have a model folder. Now a server takes it. In the rehearsal that is a process on this machine. On the chip
# it is the container, and you will see its exact command.

# %% id="nb05-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
port: int = 8080
network: str = "bridge"

# %% [markdown] id="nb05-c04"
# The degree and the batch are not parameters here. They are in the folder. `network` is the container's, and counts on
# the chip only.

# %% id="nb05-c05"
from inf2lab import (
    LabError,
    ModelFolder,
    Server,
    Settings,
    check,
    enter_repository,
    expect_failure,
    write_properties,
)

enter_repository()
settings = Settings.from_notebook(globals())
folder = ModelFolder.named(settings.model_name).check()
degree = folder.option("tensor_parallel_degree")
print(f"serving {folder.name} at degree {degree} in the {settings.lane} lane")

# %% [markdown] id="nb05-c06"
# ## What exactly is served?
#
# Two files. Keep their fingerprint, the beginning of each one's SHA-256: you will compare it at the end.

# %% id="nb05-c07"
before = folder.fingerprint()
for name, digest in before.items():
    print(digest, name)

# %% [markdown] id="nb05-c08"
# ## The command on the chip
#
# This is what you would type on an inf2 instance, in the folder of this repository. Its image is of 2023, and nobody
# promises that it stays: on the chip the cell asks the registry, as `inf2lab doctor --lane inf2` does before you rent.
# `docs/image.md` has a second source.

# %% id="nb05-c09"
import dataclasses

from inf2lab.serving import ask_registry

on_chip = Server.of(dataclasses.replace(settings, lane="inf2"), folder.path)
print(on_chip.typed())
if settings.lane == "inf2":
    print(ask_registry(on_chip.image))

# %% [markdown] id="nb05-c10"
# And this is the article's:
#
# ```bash
# docker run -it --rm --network=host \
#     -v `pwd`/models:/opt/ml/model \
#     -v `pwd`/logs:/opt/djl/logs \
#     -u djl --device /dev/neuron0 --device /dev/neuron10 --device /dev/neuron2 --device /dev/neuron4 \
#     --device /dev/neuron6 --device /dev/neuron8 --device /dev/neuron1 --device /dev/neuron11 \
#     -e MODEL_LOADING_TIMEOUT=7200 -e PREDICT_TIMEOUT=360 \
#     deepjavalibrary/djl-serving:0.21.0-pytorch-inf2 serve
# ```
#
# Go through them side by side. **Before you read on:** which of the differences is about safety?
#
# | article | here | why |
# |---|---|---|
# | `--device` 0, 10, 2, 4, 6, 8, 1, 11 | neighbours from 0 on, as many as one copy needs | the cores of one copy must be neighbours; more devices would mean more copies |
# | `--network=host` | `-p 127.0.0.1:8080:8080` | the server has no password; nobody else should reach it |
# | predictions and management on one port | two addresses, the second one unpublished | who reaches management can load a model, and so run code |
# | all of `models/`, writable | one folder, read-only | two models in one store would both load |
# | no caches | `cache/huggingface` and the compiler's; three variables that lead there | else each start downloads and compiles again: two of the image's own win over `HF_HOME` |
# | `-u djl` | `-u 1000` | images number their users differently; a log that cannot be written is empty |
# | `-it --rm` | `--detach --init`, `--restart no` | it outlives this terminal, ends when it is told to, and a failed one stays to be looked at |
# | image 0.21.0, by tag | the profile's, by digest once it was pulled | the handler names of the article do not exist in 0.21.0; a tag can move |
# | `MODEL_LOADING_TIMEOUT=7200` | the folder's own | the file's option wins anyway; `wait_ready` waits as long, and a minute |
# | `PREDICT_TIMEOUT=360` | the same | the images' 240 are below the planner's slow case for 2048 tokens; who passes it loses the worker, and the model loads again |
# | | `OPT_OUT_TRACKING=true` | the image calls home otherwise |
# | | a label with this clone's log folder | notebook 99 finds the container by it, also after a crash |
#
# Three are about safety: the network, the two addresses, and the read-only folder.
#
# You need not type it. The next cell runs it: on the chip `Server.start` looks at the devices, the port and the folder,
# makes the folders, pulls the image, prints the command once more and starts it. (Typed by hand, the three folders that
# the container writes must be there first and belong to user 1000: Docker would make them root's.) Prefer a file?
# `docker/compose.yaml` says the same.
#
# ## Start, without waiting
#
# `wait=False` returns at once. **Predict, then run:** does the server already answer `/ping`?

# %% id="nb05-c11"
from inf2lab.errors import EndpointError

server = Server.start(settings, folder.path, wait=False)
try:
    print("ping:", server.endpoint.ping().status)
except EndpointError:
    print("ping: no answer yet; the server is", server.status().state)

# %% [markdown] id="nb05-c12"
# DJLServing opens its port only **after** the models are loaded. A closed port is not an error; it means *not
# yet*. So a health check that kills the container after a minute would never let it load. How many minutes it takes,
# nobody has published for OPT-13B.
#
# Wait properly. Each line is a milestone in the server's log. On the chip there is one more, the compiler; there, minutes
# without a new line are normal, and a line a minute says that it still works.

# %% id="nb05-c13"
ready = server.wait_ready()

# %% [markdown] id="nb05-c14"
# ## Ready: what it says of itself
#
# Two questions tell you everything: `/ping` and `/models/<name>`. The second one belongs to management. On the chip it is
# asked from inside the container, because nobody outside should.

# %% id="nb05-c15"
print(server.endpoint.ping().text)
for worker in ready.workers:
    print("worker on", worker.device, "is", worker.status)

# %% [markdown] id="nb05-c16"
# `nc0` is the first NeuronCore of this worker's group. On the real instance each further copy adds a worker. The
# rehearsal keeps to one, and its log says so.
#
# ## The log
#
# The same lines appear on the chip. These are the ones to know.

# %% id="nb05-c17" tags=["nbval-ignore-output"]
wanted = ("Found model", "NEURON_RT_VISIBLE_CORES", "stand-in weights", "initialized", "bind to")
for line in server.logs(400):
    if any(word in line for word in wanted):
        print(line.replace(str(folder.path.parent.parent), "")[:150])

# %% [markdown] id="nb05-c18"
# In a terminal: `inf2lab status`, and `inf2lab logs -f` to follow. On the chip that is
# `docker logs -f` with the container's name, `inf2lab-` and the folder's.
#
# ## Three loads that fail
#
# Now use the rehearsal for what it is best at: failing early. A copy of the folder gets one wrong value at a time. Each
# is tried on a machine of its own, a second played instance: a NeuronCore belongs to one process, and your server has
# its cores until it ends.


# %% id="nb05-c19"
elsewhere = dataclasses.replace(settings, lane="rehearsal", machine="elsewhere", port=settings.port + 1)


def try_with(option, value, profile):
    """Serve a changed copy of the folder elsewhere; the load must fail."""
    changed = ModelFolder.named("opt13b_broken")
    changed.path.mkdir(exist_ok=True)
    changed.handler_path.write_bytes(folder.handler_path.read_bytes())
    write_properties(changed.properties_path, folder.properties() | {f"option.{option}": value})
    return Server.start(
        dataclasses.replace(elsewhere, profile=profile), changed.path, report=lambda line: None
    )


# %% [markdown] id="nb05-c20"
# **Predict, then run.** Degree 3: which of the three rules stops it?

# %% id="nb05-c21"
with expect_failure(LabError, about="did not load"):
    try_with("tensor_parallel_degree", 3, "djl-0.25")

# %% [markdown] id="nb05-c22"
# The runtime refuses the number of cores. That happens *after* the weights are read: on the chip you would have
# waited for it, and so for the next two.
#
# Degree 24 under the article's generation:

# %% id="nb05-c23"
with expect_failure(LabError, about="load"):
    try_with("tensor_parallel_degree", 24, "seed-0.21")

# %% [markdown] id="nb05-c24"
# Forty heads. And batch 3 at degree 2:

# %% id="nb05-c25"
articles = folder.option("model_id") == "facebook/opt-13b" and degree == "2"
too_many = 3 if articles else 4096
with expect_failure(LabError, about="Allocation Failure"):
    try_with("batch_size", too_many, "djl-0.25")

# %% [markdown] id="nb05-c26"
# This is how the real runtime says *out of memory*. The lines above it in the log show what was to be placed on
# each core.

# %% id="nb05-c27"
log = Server.of(elsewhere).logs(400)
start = max(number for number, line in enumerate(log) if "weights" in line and "GiB" in line)
for line in log[start : start + 4]:
    print(line[line.index(": ") + 2 :] if ": " in line else line)

# %% [markdown] id="nb05-c28"
# You computed these numbers in notebook 02. The emulated chip and the planner use the same functions.
#
# Remove the failed copy. Your own server has been running all the time.

# %% id="nb05-c29"
import shutil

Server.of(elsewhere).stop()
shutil.rmtree(ModelFolder.named("opt13b_broken").path)
print("still running:", server.exists(), "-", server.status().state)

# %% [markdown] id="nb05-c30"
# ## Check yourself

# %% id="nb05-c31" tags=["check"]
check(
    "the server answers for the model",
    server.status().state == "ready",
    hint="server.wait_ready(), then `inf2lab logs`",
)
check(
    "serving changed no byte of the folder",
    folder.fingerprint() == before,
    hint="the server must not write into the model folder",
)
check(
    "the docker command mounts this folder read-only",
    f"{folder.path}:/opt/ml/model/{folder.name}:ro" in on_chip.command(),
    hint="see the -v option",
)
check(
    "it publishes nothing beyond this machine",
    not any("0.0.0.0:" in word for word in on_chip.command() if not word.startswith("SERVING_")),
    hint="see the -p option",
)

# %% [markdown] id="nb05-c32"
# **What you have now:** a server that runs on without this notebook, and three failures seen for free.
#
# **If you stop here:** run [99 Clean up](99_clean_up.ipynb). On the chip the hours are billed until you do.
#
# **Try it:** close this notebook, open a terminal, and find the server again with `inf2lab status`.
#
# **Seen on the chip?** The profile's image can be pulled from Docker Hub (reasoned). Weights and compiled programs outlive the container, on the volume (reasoned). [What each rests on](../docs/claims.md)
#
# Next: [06 Call the endpoint](06_call.ipynb)
