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
# | **Time** | 20 minutes to read; 1 minute to run in the rehearsal; on the chip a load: 3 to 14 minutes by the planner, with notebook 04's programs, else 7 to 55 |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price. **The server keeps running**: notebook 99 stops it |

# %% [markdown] id="nb05-c02"
# Now a server takes your model folder. In the rehearsal it is a process on this machine. On the chip it is a container.

# %% id="nb05-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
port: int = 8080
network: str = "bridge"

# %% [markdown] id="nb05-c04"
# Degree and batch are in the folder. `network` is the container's; only the chip's lane uses it.

# %% id="nb05-c05"
from inf2lab import (
    LabError,
    ModelFolder,
    Server,
    Settings,
    check,
    enter_repository,
    expect_failure,
    reveal,
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
# Two files. Keep the fingerprint of each (the first digits of its SHA-256) to compare it at the end.

# %% id="nb05-c07"
before = folder.fingerprint()
for name, digest in before.items():
    print(digest, name)

# %% [markdown] id="nb05-c08"
# ## The command on the chip
#
# You would type this on an inf2 instance. The image is from 2023, and nobody promises that it stays. So on the chip the
# cell asks the registry, as `inf2lab doctor --lane inf2` does before you rent. [A second source](../docs/image.md).

# %% id="nb05-c09"
import dataclasses

from inf2lab.serving import ask_registry

on_chip = Server.of(dataclasses.replace(settings, lane="inf2"), folder.path)
print(on_chip.typed())
if settings.lane == "inf2":
    print(ask_registry(on_chip.image))

# %% [markdown] id="nb05-c10"
# And this is the article's command:
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
# Compare the two. **Which three rows are about safety?**
#
# | article | here | why |
# |---|---|---|
# | devices 0, 10, 2, 4, 6, 8, 1, 11 | `/dev/neuron0`: as many as one copy needs | at degree 2 one chip holds a copy. The chips of a larger copy must be neighbours |
# | `--network=host` | `-p 127.0.0.1:8080:8080` | the server has no password |
# | one port for requests and management | two; management is not published | who reaches management can run code |
# | all of `models/`, writable | one folder, read-only | every model in it would be loaded, with its code |
# | no caches | `cache/` | without it, each start downloads and compiles again |
# | `-u djl` | `-u 1000` | the owner of `logs/`; another user cannot write the log |
# | `-it --rm` | `--detach`, `--restart no` | it runs on when the terminal closes; a failed container keeps its log |
# | `PREDICT_TIMEOUT=360` | the same | the image's own 240 s are close to the planner's slow case for 2048 tokens, 219 s. After a time-out the worker is stopped, and the model loads again |
#
# <details><summary>Answer</summary>
#
# The network, the two ports, and the read-only folder. They keep others from running code on your instance.
#
# </details>

# %% [markdown] id="nb05-c11"
# Our command passes one device: one chip of the twelve that an inf2.48xlarge has. So one copy runs, and twelve could.
#
# **Predict.** How many times as much does a token cost, compared with twelve busy copies?

# %% id="nb05-c12" tags=["predict"]
answer = ...  # a number

# %% id="nb05-c13"
from inf2lab import plan

sizes = [("inf2.48xlarge", 12), ("inf2.48xlarge", 1), ("inf2.8xlarge", 1)]
all_busy, *alone = usd = [plan(Settings(instance=size, copies=n)).started_usd.mid for size, n in sizes]
table = "\n".join(
    f"{size:14} {n:2} started: {one:5.1f} USD a million tokens"
    for (size, n), one in zip(sizes, usd, strict=True)
)
reveal(answer, alone[0] / all_busy, table, why="Eleven chips are idle. One copy belongs on an inf2.8xlarge.")

# %% [markdown] id="nb05-c14"
# These are the middles of the planner's ranges; nobody has measured them. `Settings(copies=12)` starts all twelve.
#
# ## Start, without waiting
#
# ![A load as a timeline, in the planner's minutes. Download the weights: 0.9 to 11. Read them and cast: 1 to 5. Write the split copy: 0.8 to 3. Read it, cut it, copy it to the cores: 1 to 5. Compile the programs: 3 to 30. Then the warm-up is answered and the port opens. Download and compiling happen the first time only. How long the image is pulled, nobody has published.](../docs/pictures/load_timeline.svg)
#
# `Server.start` runs the command for you. On the chip it first looks at devices, port and folder, and pulls the image.
# (`docker/compose.yaml` is the same command as a file.) `wait=False` returns at once.
#
# **Predict.** Does the server answer `/ping` now?

# %% id="nb05-c15" tags=["predict"]
answer = ...  # True or False

# %% id="nb05-c16"
from inf2lab.errors import EndpointError

server = Server.start(settings, folder.path, wait=False)
try:
    answered, said = True, f"status {server.endpoint.ping().status}"
except EndpointError:
    answered, said = False, f"no answer yet; the server is {server.status().state}"
reveal(answer, answered, said, why="The port opens after the model is loaded.")

# %% [markdown] id="nb05-c17"
# A closed port is not an error; it means *not yet*. A health check that kills the container after a minute would never
# let it load.
#
# Now wait. Each line is a milestone in the server's log. On the chip minutes pass between two of them, and one line a
# minute says that it still works.

# %% id="nb05-c18"
ready = server.wait_ready()

# %% [markdown] id="nb05-c19"
# ## Ready: what it says of itself
#
# `/ping` and `/models/<name>` tell you everything. The second one belongs to management. On the chip it is asked from
# inside the container.

# %% id="nb05-c20"
print(server.endpoint.ping().text)
for worker in ready.workers:
    print("worker on", worker.device, "is", worker.status)

# %% [markdown] id="nb05-c21"
# `nc0` is the first NeuronCore of this worker. On the chip each further copy adds a worker.
#
# ## The log
#
# The same lines appear on the chip, but no stand-in, and the last line comes twice: as `INFERENCE API` and as
# `MANAGEMENT API`, because each has its own port there. `NEURON_RT_VISIBLE_CORES` is Neuron's `CUDA_VISIBLE_DEVICES`.

# %% id="nb05-c22" tags=["nbval-ignore-output"]
import textwrap

wanted = ("Found model", "NEURON_RT_VISIBLE_CORES", "stand-in weights", "initialized", "bind to")
for line in server.logs(400):
    if any(word in line for word in wanted):
        print(textwrap.shorten(line.replace(str(folder.path.parent.parent), ""), 100, placeholder=" ..."))

# %% [markdown] id="nb05-c23"
# In a terminal: `inf2lab status`, and `inf2lab logs -f` to follow. On the chip that is `docker logs -f inf2lab-opt13b`.
#
# ## You may stop here
#
# The short path goes on with [06 Call the endpoint](06_call.ipynb). Or stay: three wrong values, and what the log says of
# each.
#
# ## Three loads that fail
#
# Here a failure costs nothing. A changed folder gets one wrong value at a time. Each try runs on a second played instance,
# because your server uses the cores of the first one.

# %% id="nb05-c24"
import difflib

elsewhere = dataclasses.replace(settings, lane="rehearsal", machine="elsewhere", port=settings.port + 1)


def try_with(option, value, profile):
    """Serve a changed copy of the folder elsewhere, and print what was changed; the load must fail."""
    changed = ModelFolder.named("opt13b_broken")
    changed.path.mkdir(exist_ok=True)
    changed.handler_path.write_bytes(folder.handler_path.read_bytes())
    write_properties(changed.properties_path, folder.properties() | {f"option.{option}": value})
    files = [one.properties_path.read_text().splitlines() for one in (folder, changed)]
    print(*(line for line in difflib.ndiff(*files) if line[0] in "-+"), sep="\n", end="\n\n")
    where = dataclasses.replace(elsewhere, profile=profile)
    return Server.start(where, changed.path, report=lambda line: None)


# %% [markdown] id="nb05-c25"
# Degree 3 first. `-` is the folder's line, `+` the changed one.

# %% id="nb05-c26"
with expect_failure(LabError, about="did not load"):
    try_with("tensor_parallel_degree", 3, "djl-0.25")

# %% [markdown] id="nb05-c27"
# The runtime refuses this number of cores: rule 3 of notebook 02.
#
# **Predict.** Now degree 24, with the article's version. Which rule stops it: *cores*, *heads* or *memory*?

# %% id="nb05-c28" tags=["predict"]
answer = ...  # a text of one word

# %% id="nb05-c29"
failure = "it loaded"
try:
    try_with("tensor_parallel_degree", 24, "seed-0.21")
except LabError as error:
    failure = str(error)
rule = "heads" if "attention heads" in failure else failure
reveal(answer, rule, failure, why="40 heads are not a multiple of 24, and this version does not pad them.")

# %% [markdown] id="nb05-c30"
# The third failure is batch 3 at degree 2: rule 2, memory. This is how the real runtime says *out of memory*.
# (vLLM gives its cache the memory that is left. Here batch and positions fix the size of the cache.)

# %% id="nb05-c31"
articles = folder.option("model_id") == "facebook/opt-13b" and degree == "2"
too_many = 3 if articles else 4096
with expect_failure(LabError, about="Allocation Failure"):
    try_with("batch_size", too_many, "djl-0.25")

# %% [markdown] id="nb05-c32"
# The log shows what was to be placed on each core.

# %% id="nb05-c33"
log = Server.of(elsewhere).logs(400)
first = max(number for number, line in enumerate(log) if "weights" in line and "GiB" in line)
for line in log[first : first + 4]:
    print(line[line.index(": ") + 2 :] if ": " in line else line)

# %% [markdown] id="nb05-c34"
# You computed these numbers in notebook 02. On the chip the same messages come late in a first load, by the planner:
#
# | failure | it comes after | minutes |
# |---|---|---|
# | degree 3; degree 24 with 40 heads | download, read, split | 3 to 19 |
# | batch 3 | the same, and copying the weights to the cores | 4 to 25 |
#
# Remove the failed copy. Your own server has been running all the time.

# %% id="nb05-c35"
import shutil

Server.of(elsewhere).stop()
shutil.rmtree(ModelFolder.named("opt13b_broken").path)
print("still running:", server.exists(), "-", server.status().state)

# %% [markdown] id="nb05-c36"
# ## Check yourself

# %% id="nb05-c37" tags=["check"]
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

# %% [markdown] id="nb05-c38"
# **What you have now:** a server that runs without this notebook, and three failures that cost nothing.
#
# **If you stop here:** run [99 Clean up](99_clean_up.ipynb). On the chip the hours are billed until you do.
#
# **On the chip:** the same cells with `lane = "inf2"`: one load. The three failures stay in the rehearsal.
#
# **Try it:** close this notebook, and find the server from a terminal.
#
# <details><summary>Answer</summary>
#
# `inf2lab status` finds it by a state file below `logs/`. Notebook and server are two processes.
#
# </details>
#
# **Seen on the chip?** The profile's image can be pulled from Docker Hub (reasoned). Weights and compiled programs outlive the container, on the volume (reasoned). [What each rests on](../docs/claims.md)
#
# **Exercise:** [five loads, five logs](exercises/05_serve.ipynb)
#
# **Further reading:** [DJLServing's configuration](https://docs.djl.ai/master/docs/serving/serving/docs/configurations.html) ·
# [containers with Neuron](https://awsdocs-neuron.readthedocs-hosted.com/en/v2.28.1/containers/index.html) ·
# [docker run](https://docs.docker.com/reference/cli/docker/container/run/)
#
# Next: [06 Call the endpoint](06_call.ipynb)
