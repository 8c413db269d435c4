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
# | **You will do** | put the folder of notebook 04 on a Ray cluster, grow it to seven replicas, kill parts of it, and write its manifest for EKS |
# | **You will be able to** | say when one instance is not enough, what a cluster costs each request, and what survives which loss |
# | **Before you start** | [04 model.py](04_model_py.ipynb), which writes the folder; the server of 05 may run on |
# | **Time** | 30 minutes to read; seconds with recorded figures, 3 minutes on a live cluster |
# | **Cost** | nothing here; on AWS every instance of a cluster bills by the hour |

# %% [markdown] id="nb09-c02"
# One copy of the model lives on **one** instance: NeuronCores of two Inf2 machines cannot share a layer. (Those of Trn1
# can.) So beyond one instance you do not make the model larger. You make more **replicas** of it, and something must
# place them, route requests to them and replace the lost.
#
# Do not write that yourself. Engines for it exist. This notebook runs **Ray Serve**, because it runs here as well.

# %% id="nb09-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
seq_length: int = 48
region: str = "us-east-2"
cluster: str = "auto"

# %% [markdown] id="nb09-c04"
# Ray has an environment of its own, as it needs pydantic 2 and DJL's worker needs pydantic 1. `make scale-env` makes it
# (500 MB). Where it is, everything below happens **live**, on three emulated nodes of this machine. Where it is not,
# you see the figures of a run that was **recorded**. `cluster = "recorded"` or `"live"` chooses.

# %% id="nb09-c05" tags=["nbval-ignore-output"]
from inf2lab import ModelFolder, Settings, catalog, check, enter_repository, scale

enter_repository()
settings = Settings.from_notebook(globals(), also=["seq_length", "region", "cluster"])
stage = scale.Stage(settings, cluster)
print(stage.says)

# %% [markdown] id="nb09-c06"
# That line tells you which of the two you see. Nothing below is a measurement of the chip: the nodes only **count**
# their NeuronCores.
#
# ## What fits where
#
# **Predict, then run.** A replica of degree 8 takes 8 cores. How many fit on each size of inf2, and which size wastes
# cores that you pay for?

# %% id="nb09-c07"
print("instance        cores  replicas of 8  cores left over")
for size in catalog.instances().values():
    if size.family == "inf2":
        replicas, idle = divmod(size.cores, 8)
        print(f"{size.name:15} {size.cores:5} {replicas:10} {idle:14}")

# %% [markdown] id="nb09-c08"
# The 24xlarge wastes a third of itself at degree 8: 4 of 12 cores. Choose a degree that divides the instance, or an
# instance that the degree divides.
#
# ## What Ray is told
#
# Everything follows from the folder and the profile. Read the reasons: most of Ray's defaults are made for small
# web handlers, and several hurt a language model.

# %% id="nb09-c09"
folder = ModelFolder.named(model_name)
spec = scale.RaySpec.of(settings, folder)
print(scale.options_table(spec))

# %% [markdown] id="nb09-c10"
# The resource is called `neuron_cores`, which is Ray's own name. Whoever asks for eight of it gets
# `NEURON_RT_VISIBLE_CORES` with eight cores that nobody else on the node has.
#
# On the chip a copy takes minutes to load. So there the delays are 30 and 600 seconds: a copy too many costs less than
# one that comes too late and goes too soon.
#
# ## The folder of notebook 04, on one replica
#
# Two nodes with 24 cores and one with 12 start, all on 127.0.0.1. Then one replica loads **your** folder. The client is
# that of notebook 06, with another port.

# %% id="nb09-c11" tags=["nbval-ignore-output"]
before = folder.fingerprint()
stage.start()
for text in stage.ask(folder, ["Hello, I am a", "The river runs"], seq_length):
    print(repr(text))

# %% [markdown] id="nb09-c12"
# Inside, the replica started the server that you know on a free port, waited for it, and passed your request on. With
# `lane="inf2"` the replica stands before the server of notebook 05 instead: the model is loaded there, and a second copy would
# need devices of its own.
#
# From here on a **light** folder stands in: its handler loads at once and only waits, so that seven replicas fit on a
# laptop's two cores. Its degree is 8.
#
# ## What the way through costs
#
# **Predict, then run.** A request now passes a proxy and a replica before it reaches the server. How many
# milliseconds is that?

# %% id="nb09-c13" tags=["nbval-ignore-output"]
overheads = stage.overhead()
print(scale.overhead_table(overheads))

# %% [markdown] id="nb09-c14"
# A long answer takes seconds, so a few milliseconds are nothing. Small requests in great number are another matter:
# there Ray's HAProxy (`RAY_SERVE_ENABLE_HA_PROXY=1`) is the better choice. It has a price: whoever scales down waits 30
# seconds for it.
#
# ## From one to seven
#
# 28 users come at once, and each waits for its answer before it asks again. One replica works on one request at a time.

# %% id="nb09-c15"
grown = stage.grow()
print(f"replicas: {grown.before}, then {grown.after}")
print(f"failed requests: {grown.failed}")

# %% [markdown] id="nb09-c16"
# **Predict, then run.** Seven replicas of 8 cores stand on nodes with 24, 24 and 12. How many on each, and which cores
# may each one see?

# %% id="nb09-c17"
print(*stage.placement(), sep="\n")

# %% [markdown] id="nb09-c18"
# The last node has four cores left. No replica fits in them, and an eighth would wait for a node that does not come.
# On EKS that waiting is what makes Karpenter buy one.
#
# ## And back, while streams run
#
# The users leave. Streams of different length end one after the other, and Ray ends replicas that it does not need. A
# stream that is cut still has status 200, so the **tokens** are counted.

# %% id="nb09-c19"
shrunk = stage.shrink()
print(f"replicas: {shrunk.before}, then {shrunk.after}")
print(f"streams that came short: {shrunk.failed}")

# %% [markdown] id="nb09-c20"
# Look at the left picture: how long after the users came did the first new replica work? Then at the right one: a
# replica goes only when requests have been fewer for a while.

# %% id="nb09-c21" tags=["nbval-ignore-output"]
print(f"first new replica after {grown.first_s:.1f} s, all of them after {grown.all_s:.1f} s")
scale.autoscaling(grown, shrunk)

# %% [markdown] id="nb09-c22"
# `upscale_delay_s`, 1 second of the table above, is the smaller part: Serve looks at its queues now and then, and a
# replica has to start its server. On the chip add the load, minutes of it.
#
# ## Kill something
#
# Four replicas under load. First one replica is killed, then only the **server** beside one, then a whole **node**.
#
# **Predict, then run.** How many requests fail each time?

# %% id="nb09-c23" tags=["nbval-ignore-output"]
losses = stage.lose()
print(scale.loss_table(losses))

# %% [markdown] id="nb09-c24"
# What fails is what the killed replica was working on at that moment. Ray does not send it again, because it cannot know
# whether asking twice does harm. Your client can: one retry, and the user sees a pause.
#
# A dead server takes its replica with it within a moment, since a thread waits for its end. With Ray's health
# check alone it would be found seconds later, and every request until then would fail.

# %% id="nb09-c25"
for loss in losses:
    print(
        f"{loss.what}: only what was in flight failed: {loss.failed <= loss.in_flight and not loss.failed_later}"
    )

# %% [markdown] id="nb09-c26"
# ## How many replicas, before you rent them
#
# The planner knows a queue: requests arrive at random, and each replica is busy with one for a known time. `inf2lab plan
# --rate 5 --input 64 --output 64` answers with replicas, instances and a price. It plans with at most 80 % of what they
# can do and with one replica to spare (`--use`, `--spare`), and it says which rule decided.
#
# How good is that queue? Here it is measured: three replicas, 0.2 seconds a request, first 5 requests a second, then 10.
#
# **Predict, then run.** Twice the load: what happens to the median (p50), and to the slowest one in ten (p90)?

# %% id="nb09-c27" tags=["nbval-ignore-output"]
print(scale.queue_table(stage.queue()))

# %% [markdown] id="nb09-c28"
# Read a line from left to right. **Formula** is what the planner says, whatever the luck. **Same arrivals** is its queue
# with the very moments at which these requests were sent: only luck lies between those two, and the last line says how
# much luck so few requests have. **Measured** had the same luck; what it has more is Ray.
#
# The median moves little, and the slow tenth waits. That is why you plan for the tail. A p99 is missing on purpose: of 160
# requests it would be the second slowest, and say little.
#
# What Ray adds is a search. While all replicas are full its router pauses between two looks, and who becomes free
# meanwhile stands idle. Its own pauses grow to half a second: three such replicas then answered 9 requests a second to
# 12 users, where 15 are possible. With 10 a second coming, the queue never ends. `max_backoff_s` in the table above cures it.
#
# On the chip, measure one replica and plan from that: `inf2lab load --clients 1,2,4,8 --json logs/curve.json`, then
# `inf2lab plan --rate 5 --curve logs/curve.json`.
#
# ## The time-out that cuts answers
#
# Three replicas stream for ten seconds each. In the middle, all but one are told to end: once with a shutdown time-out
# of 3 seconds, once with the one from the table above.

# %% id="nb09-c29"
for streams in stage.cut():
    verdict = "all whole" if streams.whole == streams.streams else "cut short"
    each = f"{streams.streams} streams of {streams.stream_s:.0f} seconds"
    print(f"shutdown time-out {streams.timeout_s:3.0f} s: {each}, {verdict}")

# %% [markdown] id="nb09-c30"
# The streams that were cut had begun with status 200. Who counts only statuses takes half an answer for a whole one.
#
# Now end the cluster, and look for what it left.

# %% id="nb09-c31"
left = stage.close()
print("processes that had to be killed:", left)

# %% [markdown] id="nb09-c32"
# ## The same on EKS
#
# KubeRay runs Ray on Kubernetes. Its manifest is rendered from the same folder and profile, so that devices, degree, image
# and time-outs cannot disagree with them. One pod is one replica: Ray's container passes requests on, DJL's has the chip.

# %% id="nb09-c33"
manifest = scale.as_text(scale.ray_service(settings, folder))
worker = manifest[manifest.index("workerGroupSpecs") :]
print("\n".join(worker.splitlines()[:8]))
print("...")
print("\n".join(line for line in worker.splitlines() if "image:" in line or "neuron:" in line))

# %% [markdown] id="nb09-c34"
# `inf2lab scale ray models/opt13b --manifest` prints all of it. A real API server has taken it and placed its pods, and
# Ray's own autoscaler counts their cores. KubeRay's operator and a chip have not seen it yet.
#
# Without Ray, Kubernetes alone serves the same pods. This is what its rendering means, before anything is applied:

# %% id="nb09-c35"
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

# %% [markdown] id="nb09-c36"
# And SageMaker, where AWS operates all of it. The same folder, and again only shown. It waits an hour at most until an
# endpoint answers, and workers load one after the other: so a small instance with one worker, not twelve of them.

# %% id="nb09-c37"
import dataclasses

from inf2lab import aws
from inf2lab.scale import Replica

small = dataclasses.replace(settings, instance="inf2.8xlarge")
here = aws.connect(stage.settings, region=region)  # of the rehearsal: AWS is not asked
endpoint = aws.endpoint_request(here, Replica(small, folder), bucket="YOUR-BUCKET")
show(aws.endpoint_rows(here, endpoint), ["instances", "time-outs", "price", "note"])

# %% [markdown] id="nb09-c38"
# ## Which one
#
# | | Ray Serve on EKS | Kubernetes alone | SageMaker |
# |---|---|---|---|
# | **you write** | nothing: a RayService is rendered | nothing: manifests are rendered | nothing: the calls are rendered |
# | **you operate** | the cluster, KubeRay, Ray | the cluster, Karpenter, a queue metric | the endpoint |
# | **you pay for** | the instances and the control plane | the same | its own hourly prices for the same chips |
# | **requests wait** | in the proxy, until a replica is free | in a server's queue, chosen blindly | in the endpoint |
# | **it grows on** | requests waiting or running | a metric that you bring | requests at once, for each copy |
# | **take it when** | you work in Python, or want what you saw above | you have a cluster and people for it | you want none of that |
#
# All three take the folder as it is. `inf2lab scale kubernetes` and `inf2lab scale sagemaker` show the other two whole.
#
# ## Check yourself

# %% id="nb09-c39" tags=["check"]
check(
    "growing and shrinking lost no request",
    grown.failed == shrunk.failed == 0,
    hint="look at logs/ray/cluster.log",
)
check("seven replicas ran", grown.after == 7, hint="was the machine busy? run the notebook again")
check(
    "a loss cost only what was in flight",
    all(loss.failed <= loss.in_flight for loss in losses),
    hint="look at logs/ray/cluster.log",
)
check(
    "the folder is the same, byte for byte",
    folder.fingerprint() == before,
    hint="something wrote into the folder",
)
check("the cluster is gone", not left, hint="`inf2lab stop`, then look at the processes")

# %% [markdown] id="nb09-c40"
# **What you have now:** the same folder on a cluster, and figures for what it costs and what it survives.
#
# **Try it:** `inf2lab scale ray --most 3` in a terminal, and in a second one, with the address that the first prints:
# `inf2lab load --url ADDRESS --model light --clients 8 -t 30`. How many clients until the third replica?
#
# Next: [99 Clean up](99_clean_up.ipynb). The server of notebook 05 still runs.
