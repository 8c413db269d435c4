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

# %% [markdown] id="nb01-c01"
# # Get an instance, with a price tag and an end
#
# | | |
# |---|---|
# | **You will do** | choose an instance, look up image, quota and price, read the launch request word by word, set its end |
# | **You will be able to** | start an Inferentia2 instance that cannot be forgotten, and say beforehand what it costs at most |
# | **Before you start** | [00 Start here](00_start_here.ipynb); run this notebook on **your own machine** in both lanes |
# | **Time** | 20 minutes to read, seconds to run; on AWS the first boot takes some minutes, and every step of it is said |
# | **Cost** | nothing in the rehearsal, and nothing in the inf2 lane either until you set `confirm = True` |

# %% [markdown] id="nb01-c02"
# An inf2.48xlarge costs 13 dollars an hour, and it does not know that you went home. So the end comes first: you
# will see the price and the end of everything **before** it starts.
#
# In the rehearsal lane this notebook asks nobody. You see the exact request that AWS would get. In the `inf2` lane
# it asks AWS, and by default it only asks whether you *would* be allowed.
#
# **Before you pay:** this stack has ended. Support for transformers-neuronx ended in September 2025, and DJLServing
# removed Neuron in 0.35. Rent the chip to learn how the parts fit, or to keep a service alive; start nothing new on it.

# %% id="nb01-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.8xlarge"
region: str = "us-east-2"
hours: int = 4
image_id: str = ""
repository: str = ""
spot: bool = False
confirm: bool = False

# %% [markdown] id="nb01-c04"
# `hours` is how long the instance may live. `confirm` is the switch that spends money. `repository` is the address
# that the instance clones this repository from, without a password. Leave it empty, and the instance is empty too: then
# four lines, which you will see below, fill it.

# %% id="nb01-c05"
from inf2lab import Settings, check, enter_repository, expect_failure
from inf2lab.aws import connect

enter_repository()
more = ["region", "hours", "image_id", "repository", "spot", "confirm"]
settings = Settings.from_notebook(globals(), also=more)
cloud = connect(settings, region=region)
print(cloud)

# %% [markdown] id="nb01-c06"
# ## Which instance?
#
# The cores must hold the model, and so must the **host** while it loads: 24 GiB of weights for OPT-13B, held once in f16,
# and beside them a piece of the checkpoint and the compilers. (A loader that goes through f32 holds twice the weights;
# notebook 02 counts that.) Copies load one after the other, the last one while the others serve. There are four sizes.
#
# **Predict, then run.** One of them has enough cores and a host that is too small. Which?

# %% id="nb01-c07"
from inf2lab.aws import first_try
from inf2lab.planning import plan_for

for size in ("inf2.xlarge", "inf2.8xlarge", "inf2.24xlarge", "inf2.48xlarge"):
    made = plan_for(settings.model_id, instance=size, tensor_parallel_degree=2, batch_size=2)
    machine, host = made.request.hardware, made.host
    room = "enough" if host.once_gib <= machine.host_gib else "too small"
    print(f"{size:14}{machine.usd_per_hour:7.3f} USD/h  copies of the model: {len(made.copies):2}", end="  ")
    print(f"host {machine.host_gib:3} GiB, {host.once_gib:3.0f} to load: {room}")
print(first_try(region, repository))

# %% [markdown] id="nb01-c08"
# Look at the last column. inf2.xlarge has two cores like inf2.8xlarge, but 16 GiB of host memory. For OPT-13B,
# **inf2.8xlarge** is the smallest that works, and this notebook launches it. The article takes the largest, with room
# for twelve copies; the container of notebook 05 starts one.
#
# Is it your first time? Then try less first, with the two lines above: a small OPT on the smallest instance shows
# everything for under a dollar an hour. (`inf2lab prove` does the same by itself, and ends it.)
#
# ## Is it offered here?
#
# Not every region has these chips.

# %% id="nb01-c09"
from inf2lab.aws import offering

offered = offering(cloud, settings.instance)
print(offered)

# %% [markdown] id="nb01-c10"
# The answer says where it comes from: a dated table in the rehearsal, AWS itself in the inf2 lane. Two requests that
# fail at once, for free:

# %% id="nb01-c11"
from inf2lab.aws import Cloud, WrongRegion, tunnel_command
from inf2lab.errors import SettingsError

with expect_failure(WrongRegion, about="not offered"):
    offering(Cloud("eu-south-1"), settings.instance)
with expect_failure(SettingsError, about="only Jupyter's port"):
    tunnel_command("i-0123456789abcdef0", region, port=8080)

# %% [markdown] id="nb01-c12"
# The second one guards you against yourself: the server's port has no password, so it stays on the instance.
#
# ## May you run it?
#
# Each account has a **quota** for these instances, counted in vCPUs. A new account may have 0. A request for more
# takes a day or two, so look today.

# %% id="nb01-c13"
from inf2lab.aws import quota

limit = quota(cloud, settings.instance, spot=spot)
print(limit)
if limit.enough is False:
    print("request more: Service Quotas, Amazon EC2,", limit.quota.name)

# %% [markdown] id="nb01-c14"
# ## Which image?
#
# The host needs three things: the Neuron driver, its tools, and Docker. The libraries are in the container. So you
# take one of AWS's **base** Neuron images. **Not the newest**: since SDK 2.31, of July 2026, the driver is 2.29 or later,
# and AWS's release notes say that it refuses a runtime before 2.33. The container of 2023 has 2.18. Nothing would load.
#
# So an image is looked up whose SDK has an older driver. Its description names the SDK; a table says which driver that is.

# %% id="nb01-c15"
from inf2lab.aws import look_up_image

image = look_up_image(cloud, image_id=image_id, profile=settings.profile)
print(image)

# %% [markdown] id="nb01-c16"
# If no such image is left, the launch ends here, and nothing was started. An `image_id` of your own goes before, if
# its driver fits. Nobody of us has seen the chip: that the runtime of 2023 starts on this driver is what AWS's documents
# and the driver's source say, not what we saw. (A container of a newer stack needs the opposite: driver 2.29 or later.)
#
# ## The request, word by word
#
# Nothing is sent here. Read it as you would read a contract.

# %% id="nb01-c17"
from inf2lab.aws import launch_request

request = launch_request(
    cloud, settings.instance, image, hours=hours, offered=offered, spot=spot, repository=repository
)
print(request)

# %% [markdown] id="nb01-c18"
# Four lines decide about your bill and your safety:
#
# - `InstanceInitiatedShutdownBehavior`: **terminate**. The default, *stop*, keeps the disk, and the disk's bill.
# - `DeleteOnTermination`: the disk ends with the instance. 512 GiB, because image and checkpoints fill 100; faster than
#   the default, because a first load writes and reads 26 GB twice while the instance bills.
# - `HttpPutResponseHopLimit`: **1**: no container reaches the instance's credentials. Only DJLServing 0.21 needs 2: it
#   finds its chip by asking the metadata service, and a container is one hop further away.
# - `TagSpecifications`: everything carries the run's name from its first moment. Notebook 99 finds it by that.
#
# ## Everything else that is created
#
# A security group **without a single open port**, a role so that you can still get in, and the watchdog.

# %% id="nb01-c19"
from inf2lab.aws import describe_calls

print(describe_calls(request))

# %% [markdown] id="nb01-c20"
# Look at the last two. That is EventBridge, AWS's alarm clock: it terminates the instance at the deadline, even if
# the instance hangs and this notebook is closed.
#
# ## What happens inside at the first boot
#
# The script sets the **second** clock before anything else. Here are its first lines.

# %% id="nb01-c21"
script = request.user_data.splitlines()
print("\n".join(script[5:23]))
print(
    f"... {len(script) - 23} more lines: the driver is held, Docker, the repository, JupyterLab with a token"
)

# %% [markdown] id="nb01-c22"
# A timer runs this every minute. It needs no permission and no network. With *terminate* above, switching off **is**
# the end. `inf2lab extend --hours 2` moves both clocks.
#
# The lines below it hold the driver, so that no upgrade brings a newer one. Each step is written into a tag of the
# instance: *booted*, *installed*, *ready*, or *failed* and why. The launch waits for it, and tells you.
#
# ## What it costs
#
# **Predict, then run.** Four hours of an inf2.8xlarge: about how much? And what does it cost a day if you only
# *stop* it?

# %% id="nb01-c23"
from inf2lab.aws import first_session, price_table

price = price_table(cloud, request)
print(price)
print(f"only stopped, for a day: {price.usd_per_hour_stopped * 24:.2f} USD\n")
print(first_session(request, price, settings))

# %% [markdown] id="nb01-c24"
# Beside each number stands where it comes from. A price from a table is a price of then: in the inf2 lane AWS's own
# list is asked, and the table answers only if it is silent. The first session is reckoned from bytes and programs:
# nobody has measured it. Two options of `inf2lab launch` keep the bill small: `--idle 60` has an alarm end what nobody
# uses, and `--bucket NAME` keeps weights and programs for the next session, until `inf2lab sweep --kept`.
#
# ## Review it before you send it
#
# These checks need no account. The first one takes AWS's own description of its interface, which boto3 brings along.

# %% id="nb01-c25"
from inf2lab.aws import review

points = review(request)
for point in points:
    print("yes" if point.holds else "NO ", point.claim)

# %% [markdown] id="nb01-c26"
# ## Send it
#
# **From here on it can cost money.** In the rehearsal lane nothing is sent. In the inf2 lane, without `confirm`, AWS
# is asked in a *dry run* whether it would be allowed. With `confirm = True` it first looks whether your machine has the
# programs for the way in. Then the calls above are made, in that order; if one fails, the ones before it are undone. It
# returns when the first boot is done. If that fails, the instance stays, so that you can read its log.

# %% id="nb01-c27" tags=["nbval-ignore-output"]
from inf2lab.aws import launch

done = launch(cloud, request, confirm=confirm)
print(done)

# %% [markdown] id="nb01-c28"
# What can still refuse you is capacity: the quota says that you *may*, not that one is free. Then every zone of the
# region is tried, and the message says what else to try.
#
# ## The way in
#
# No port is open. Session Manager brings Jupyter's port to your machine, and nothing else. (It needs the AWS command
# line and its Session Manager plugin.)
#
# If you gave no `repository`, four lines fill the instance first. The session begins as a user of its own, so the second
# line changes to yours; `URL` is your copy's address. Then come two commands: type the first one in one terminal and
# leave it running. The second one shows the token that Jupyter asks for.

# %% id="nb01-c29" tags=["nbval-ignore-output"]
from inf2lab.aws import fill_commands, token_command

name = done.run.instance_id if done.run else "i-0123456789abcdef0"
print("" if repository else f"{fill_commands(name, region, image.user)}\n")
print(tunnel_command(name, region))
print(token_command(name, region))
print("then open http://127.0.0.1:8888")

# %% [markdown] id="nb01-c30"
# Then go on with notebook 02 **there**: its JupyterLab knows the lane and the instance already. Come back here, to this machine, for
# [99 Clean up](99_clean_up.ipynb): your machine keeps the record of what was started where.
#
# If your company wants CloudFormation, `deploy/cloudformation/inf2lab.yaml` asks for the same things. A test holds
# the two equal.
#
# ## Check yourself

# %% id="nb01-c31" tags=["check"]
from inf2lab.aws import open_runs

check("the request keeps every rule", all(point.holds for point in points), hint="see the line with NO")
check("it ends by itself", 0 < request.hours <= 72, hint="set hours")
check("you know the most it can cost", price.usd > 0, hint="run the price cell")
check(
    "what was started is on record",
    (done.run is not None) == (done.run in open_runs()),
    hint="look into logs/cloud",
)

# %% [markdown] id="nb01-c32"
# **What you have now:** a request you have read, its price, and two clocks that end it.
#
# **If you started it:** [99 Clean up](99_clean_up.ipynb) ends it now, or `inf2lab sweep` in a terminal.
#
# **Try it:** set `instance = "inf2.48xlarge"`, as the article does, and run again. What does an evening with OPT-13B cost
# there, and how many of its chips would notebook 05 leave idle?
#
# **Seen on the chip?** An instance that is launched boots, installs what it needs and takes commands, with no port open from outside (documented by AWS). The image's runtime starts on the driver of the machine image that launch looks up (documented by AWS). An hour of an inf2.xlarge is 0.758 US dollars, of an inf2.48xlarge 12.981 (documented by AWS). [What each rests on](../docs/claims.md)
#
# Next: [02 Plan how the model is split](02_plan.ipynb)
