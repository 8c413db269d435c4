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

# %% [markdown] id="nb09-c01"
# # Scale out: past one machine
#
# | | |
# |---|---|
# | **You will do** | put the folder of notebook 04 on a Ray cluster, grow it to seven replicas, kill parts of it, write its manifest for EKS |
# | **You will be able to** | say when one instance is not enough, how much time a cluster adds to a request, and what is lost when a part of it fails |
# | **Before you start** | [04 model.py](04_model_py.ipynb) wrote the folder; [08](08_break_it.ipynb) came before |
# | **Time** | 22 minutes to read; seconds to run, 3 minutes on a live cluster |
# | **Cost** | nothing here; on AWS every instance of a cluster bills by the hour |

# %% [markdown] id="nb09-c02"
# One copy of the model lives on **one** instance: the NeuronCores of two Inf2 machines cannot share a layer. (Those of
# two Trn1 machines can.) So for more users you add **replicas**, on more instances. Something must place them, route requests to
# them, and replace the lost ones. This notebook uses **Ray Serve**, because it runs here as well.

# %% id="nb09-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
seq_length: int = 48
region: str = "us-east-2"
cluster: str = "auto"

# %% [markdown] id="nb09-c04"
# `make scale-env` makes Ray's environment (500 MB). Then everything below happens **live**, on three emulated nodes of this
# machine. Without it you see a run that was **recorded**. The next line says which. The nodes only count their cores:
# nothing below measures the chip.

# %% id="nb09-c05" tags=["nbval-ignore-output"]
from inf2lab import ModelFolder, Settings, catalog, check, enter_repository, reveal, scale
from inf2lab.checks import wrap

enter_repository()
settings = Settings.from_notebook(globals(), also=["seq_length", "region", "cluster"])
stage = scale.Stage(settings, cluster)
print(stage.says)

# %% [markdown] id="nb09-c06"
# ## What fits where
#
# **Predict.** A replica of degree 8 takes 8 cores. An inf2.24xlarge has 12 cores, an inf2.48xlarge has 24. How many cores
# does each leave idle?

# %% id="nb09-c07" tags=["predict"]
answer = {"inf2.24xlarge": ..., "inf2.48xlarge": ...}  # idle cores of each

# %% id="nb09-c08"
sizes = [size for size in catalog.instances().values() if size.family == "inf2"]
table = [f"{size.name:15} {size.cores:2} cores: {size.cores // 8} replicas of 8" for size in sizes]
reveal(answer, {size.name: size.cores % 8 for size in sizes[-2:]}, "\n".join(table))

# %% [markdown] id="nb09-c09"
# Choose a degree that leaves no core idle.
#
# ## What Ray is told
#
# Ray's defaults are made for small web handlers. The values below are made from the folder and the profile:

# %% id="nb09-c10"
folder = ModelFolder.named(model_name)
spec = scale.RaySpec.of(settings, folder)
print(scale.options_table(spec))

# %% [markdown] id="nb09-c11"
# `max_replicas` is our choice. The two delays are short because the rehearsal loads in seconds. On the chip they are 30 and
# 600 seconds: a load takes minutes, so one replica too many costs less than one too few.
#
# ## The folder of notebook 04, on one replica
#
# Three nodes start, with 24, 24 and 12 cores. One replica loads **your** folder.

# %% id="nb09-c12" tags=["nbval-ignore-output"]
before = folder.fingerprint()
stage.start()
for text in stage.ask(folder, ["Hello, I am a", "The river runs"], seq_length):
    print(wrap(repr(text)))

# %% [markdown] id="nb09-c13"
# The replica started the server that you know and passed your request on. (With `lane="inf2"` it passes requests to the
# server of notebook 05, which has the devices.) From here on, a **light** folder of degree 8 takes the place of yours. Its
# handler only waits, so a laptop has room for seven replicas.
#
# ## How much time the cluster adds
#
# A request now passes a proxy and a replica before it reaches the server.

# %% id="nb09-c14" tags=["nbval-ignore-output"]
overheads = stage.overhead()
print(scale.overhead_table(overheads))

# %% [markdown] id="nb09-c15"
# A long answer takes seconds, so a few milliseconds do not matter. For many small requests take Ray's HAProxy
# (`RAY_SERVE_ENABLE_HA_PROXY=1`).
#
# ## From one to seven, and back
#
# 28 users come at once. Each waits for its answer before it asks again. One replica works on one request at a time.

# %% id="nb09-c16"
grown = stage.grow()
print(f"replicas: {grown.before}, then {grown.after}")
print(f"failed requests: {grown.failed}")

# %% [markdown] id="nb09-c17"
# **Predict.** Seven replicas of 8 cores stand on nodes with 24, 24 and 12 cores. How many are on each node?

# %% id="nb09-c18" tags=["predict"]
answer = {"node 0": ..., "node 1": ..., "node 2": ...}  # replicas on each

# %% id="nb09-c19"
placed = stage.placement()
counts = {f"node {node}": sum(one.node == node for one in placed) for node in range(3)}
reveal(answer, counts, "\n".join(map(str, placed)))

# %% [markdown] id="nb09-c20"
# The last node has four cores left. An eighth replica would wait. On EKS, Karpenter would then add a node.
#
# Now the users leave. Streams end one after the other, and Ray ends replicas that it does not need. A stream that is cut
# still has status 200, so the **tokens** are counted:

# %% id="nb09-c21"
shrunk = stage.shrink()
print(f"replicas: {shrunk.before}, then {shrunk.after}")
print(f"streams that were cut: {shrunk.failed}")

# %% [markdown] id="nb09-c22"
# How long after the users came did the first new replica work?

# %% id="nb09-c23" tags=["nbval-ignore-output"]
print(f"first new replica after {grown.first_s:.1f} s, all of them after {grown.all_s:.1f} s")
scale.autoscaling(grown, shrunk)

# %% [markdown] id="nb09-c24"
# About 8 seconds in the recorded run, although `upscale_delay_s` is 1. The rest: Serve looks at its queues only now and
# then, and a replica starts its server. On the chip, add the minutes of a load.
#
# ## Kill something
#
# Four replicas work under load. First one replica is killed, then only the **server** of a replica, then a whole
# **node** with two replicas.
#
# **Predict.** How many requests fail at the most, each time?

# %% id="nb09-c25" tags=["predict"]
answer = {"a replica": ..., "its model server": ..., "a node": ...}  # failed requests, at the most

# %% id="nb09-c26" tags=["nbval-ignore-output"]
losses = stage.lose()
reveal(
    answer,
    {loss.what: loss.in_flight for loss in losses},
    scale.loss_table(losses),
    why="Those that the killed replicas were working on: one each.",
)

# %% [markdown] id="nb09-c27"
# Ray does not send a lost request again: it cannot know whether asking twice does harm. Your client can know. With
# one retry, the user sees a pause instead of an error.
#
# ## How many replicas, before you rent them
#
# `inf2lab plan --rate 5 --input 64 --output 64` answers with replicas, instances and a price. It calculates with a queue:
# requests arrive at random, and each keeps a replica busy for some time. Here three replicas get 5 requests a second, then 10.
# C is the share of requests that find all three busy (Erlang's formula):

# %% id="nb09-c28" tags=["nbval-ignore-output"]
queued = stage.queue()
for one in queued:
    print(f"{one.rate:2} a second, {one.service_s:.3f} s each: C = {one.predicted.waiting_share:.2f}")

# %% [markdown] id="nb09-c29"
# For `c` replicas, `s` seconds a request and `λ` requests a second, `c/s − λ` is the capacity that is left. Then
#
# **p90 = s + ln(10 C) / (2 (c/s − λ))**, and never less than `s`.
#
# **Predict.** How long is the p90 at 10 requests a second?

# %% id="nb09-c30" tags=["predict"]
answer = ...  # in milliseconds

# %% id="nb09-c31" tags=["nbval-ignore-output"]
said = round(1000 * queued[-1].predicted.p90_s)
reveal(answer, said, scale.queue_table(queued), why="215 ms and a wait of 208 ms.", within=0.05)

# %% [markdown] id="nb09-c32"
# In the table, *formula* is the planner. *Same arrivals* is the planner's queue, simulated with requests at
# the moments at which they came here. *Measured* is Ray. So the difference between the last two columns is Ray's.

# %% id="nb09-c33" tags=["nbval-ignore-output"]
scale.queue_curve(queued)

# %% [markdown] id="nb09-c34"
# The bars show what chance alone does. The median hardly moves, and the p90 doubles. So plan for the tail. (A p99 of 160 requests would be the second slowest.)
#
# While all replicas are busy, Ray's router pauses between two looks. A replica that becomes free is idle until the next look.
# `max_backoff_s` in the table above limits the pauses.
#
# On the chip, measure one replica (`inf2lab load --clients 1,2,4,8 --json logs/curve.json`) and plan with it
# (`inf2lab plan --rate 5 --curve logs/curve.json`).
#
# ## The time-out that cuts answers
#
# Three replicas stream for ten seconds each. Meanwhile two are told to end: once with 3 seconds to finish, once with
# enough.

# %% id="nb09-c35"
cuts = stage.cut()
for streams in cuts:
    verdict = "all whole" if streams.whole == streams.streams else "cut short"
    each = f"{streams.streams} streams of {streams.stream_s:.0f} seconds"
    print(f"shutdown time-out {streams.timeout_s:3.0f} s: {each}, {verdict}")

# %% [markdown] id="nb09-c36"
# The streams that were cut had begun with status 200. Count tokens, not statuses. Now end the cluster:

# %% id="nb09-c37"
left = stage.close()
print("processes that had to be killed:", left)

# %% [markdown] id="nb09-c38"
# ## The same on EKS
#
# KubeRay runs Ray on Kubernetes. Its manifest is made from the same folder and profile. One pod is one replica.

# %% id="nb09-c39"
manifest = scale.as_text(scale.ray_service(settings, folder))
worker = manifest[manifest.index("workerGroupSpecs") :]
print("\n".join(worker.splitlines()[:8]))
print("...")
print("\n".join(line for line in worker.splitlines() if "image:" in line or "neuron:" in line))

# %% [markdown] id="nb09-c40"
# `inf2lab scale ray models/opt13b --manifest` prints all of it. A real API server has accepted it and placed its pods.
# **Nobody has run it with KubeRay's operator, or on a chip.**
#
# Without Ray, Kubernetes alone serves the same pods. Seven replicas of degree 2 need seven chips, and one inf2.48xlarge
# has twelve: one node is enough for all.

# %% id="nb09-c41"
import textwrap

from inf2lab.scale import kubernetes


def show(rows, subjects):
    """Print some rows of a summary, folded."""
    for subject, found in rows:
        if subject in subjects:
            print(textwrap.fill(f"{subject:10} {found}", 100, subsequent_indent=" " * 11))


show(
    kubernetes.summary(kubernetes.render(settings, folder, replicas=(1, 7))),
    ["a replica", "loading", "ending", "nodes", "price"],
)

# %% [markdown] id="nb09-c42"
# On SageMaker, AWS operates all of it. SageMaker waits at most an hour for a server to get ready, and workers load one
# after the other. So take a small instance with one worker.

# %% id="nb09-c43"
import dataclasses

from inf2lab import aws
from inf2lab.scale import Replica

small = dataclasses.replace(settings, instance="inf2.8xlarge")
here = aws.connect(stage.settings, region=region)  # of the rehearsal: AWS is not asked
endpoint = aws.endpoint_request(here, Replica(small, folder), bucket="YOUR-BUCKET")
show(aws.endpoint_rows(here, endpoint), ["instances", "time-outs", "price", "note"])

# %% [markdown] id="nb09-c44"
# ## Which one
#
# | | Ray Serve on EKS | Kubernetes alone | SageMaker |
# |---|---|---|---|
# | **you operate** | the cluster, KubeRay, Ray | the cluster, Karpenter, a queue metric | the endpoint |
# | **you pay for** | the instances and the control plane | the same | its own hourly prices for the same chips |
# | **requests wait** | in the proxy, until a replica is free | in the queue of a server chosen at random | in the endpoint |
# | **what makes it grow** | requests waiting or running | a metric that you provide | requests at once, for each copy |
# | **take it when** | you work in Python | you have a cluster and people for it | you want to operate nothing |
#
# ## Check yourself

# %% id="nb09-c45" tags=["check"]
check(
    "growing and shrinking lost no request",
    grown.failed == shrunk.failed == 0,
    hint="look at logs/ray/cluster.log",
)
check("seven replicas ran", grown.after == 7, hint="was the machine busy? run the notebook again")
check(
    "a loss cost only what was in flight",
    all(loss.failed <= loss.in_flight and not loss.failed_later for loss in losses),
    hint="look at logs/ray/cluster.log",
)
check(
    "the longer shutdown time-out let every stream end",
    cuts[-1].whole == cuts[-1].streams,
    hint="graceful_shutdown_timeout_s must be longer than the longest answer",
)
check(
    "the folder is the same, byte for byte",
    folder.fingerprint() == before,
    hint="something wrote into the folder",
)
check("the cluster is gone", not left, hint="`inf2lab stop`, then look at the processes")

# %% [markdown] id="nb09-c46"
# **What you have now:** the same folder on a cluster, its cost for a request, and what it survives.
#
# **On the chip:** a replica takes minutes to load. So keep one to spare.
#
# **Try it:** `inf2lab scale ray --most 3` in a terminal, and in a second one, with the address that the first prints:
# `inf2lab load --url ADDRESS --model light --clients 8 -t 30`. Change the
# number of clients. From which number on does a third replica start?
#
# <details><summary>Answer</summary>
#
# Three. `target_ongoing_requests` is 1, and three clients have three requests under way.
#
# </details>
#
# **Exercise:** [price a load](exercises/09_scale_out.ipynb)
#
# **Further reading:** [Ray Serve: autoscaling](https://docs.ray.io/en/latest/serve/advanced-guides/advanced-autoscaling.html),
# [KubeRay: RayService](https://docs.ray.io/en/latest/cluster/kubernetes/user-guides/rayservice.html),
# [AWS: Neuron on EKS](https://awsdocs-neuron.readthedocs-hosted.com/en/v2.28.1/containers/kubernetes-getting-started.html)
#
# Next: [10 Where next](10_where_next.ipynb). The server of notebook 05 still runs.
