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
# | **You will do** | begin with the cheapest run, choose an instance, look up image, quota and price, read the launch request, set its end |
# | **You will be able to** | start an Inferentia2 instance that cannot be forgotten, and say beforehand what it costs at most |
# | **Before you start** | [00 Start here](00_start_here.ipynb); run this notebook on **your own machine** in both lanes |
# | **Time** | 20 minutes to read, seconds to run; on AWS the first boot takes some minutes, and each step is printed |
# | **Cost** | nothing in the rehearsal, and nothing in the inf2 lane either until you set `confirm = True` |

# %% [markdown] id="nb01-c02"
# A rented instance bills until you end it, whether it works or waits. So in this notebook the end comes before the start: you
# see the price and the end of everything **before** it begins.
#
# In the rehearsal lane nothing is sent to AWS. You see the exact request that AWS would get. In the `inf2` lane AWS is asked, and
# by default only whether you *would* be allowed. This lane needs an AWS account, and `aws configure` run once.
#
# **Before you pay:** this stack has ended. Support for transformers-neuronx ended in September 2025, and DJLServing
# removed Neuron in 0.35.0. Rent the chip to learn how the parts fit, or to keep a service alive; start nothing new on it.

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
from inf2lab.checks import wrap

enter_repository()
more = ["region", "hours", "image_id", "repository", "spot", "confirm"]
settings = Settings.from_notebook(globals(), also=more)
cloud = connect(settings, region=region)
print(cloud)

# %% [markdown] id="nb01-c06"
# ## First a cheap run
#
# Is it your first time? Then do not begin with OPT-13B. A small OPT on the smallest instance shows everything, for under a
# dollar an hour. These are its two commands: the first one for this machine, the second one for the instance. `URL` is the address
# that you cloned this repository from.

# %% id="nb01-c07"
from inf2lab.aws import first_try, path_table

print(first_try(region, repository))

# %% [markdown] id="nb01-c08"
# (`inf2lab prove` does the same by itself, and ends it.) And this is what the whole path takes there, load by load, beside
# OPT-13B. It is the table of notebook 00: calculated, not measured.

# %% id="nb01-c09"
path_table()

# %% [markdown] id="nb01-c10"
# ## Which instance?
#
# The cores must hold the model, and so must the memory of the **host** while it loads. The host is the instance's ordinary part:
# processors, memory, disk. It takes 24 GiB (26 GB) of weights for OPT-13B, and beside them one file of the checkpoint (the weights
# on disk) and the compilers. Copies load one after the other, the last one while the others serve. There
# are four sizes.
#
# **Predict.** One of them has enough cores for OPT-13B and a host that is too small. Which?

# %% id="nb01-c11" tags=["predict"]
answer = ...  # a name in quotes, like "inf2.24xlarge"

# %% id="nb01-c12"
from inf2lab import catalog, reveal
from inf2lab.planning import plan_for

small, hosts = [], []
for size in (name for name, one in catalog.instances().items() if one.family == "inf2"):
    made = plan_for(settings.model_id, instance=size, tensor_parallel_degree=2, batch_size=2)
    machine, host = made.request.hardware, made.host
    small += [size] if host.once_gib > machine.host_gib else []
    hosts.append(f"{size:14}host {machine.host_gib:3} GiB, the load takes {host.once_gib:2.0f}")
    print(
        f"{size:14}{machine.usd_per_hour:7.3f} USD/h, {machine.vcpus:3} vCPUs, copies: {len(made.copies):2}"
    )
why = "It has two cores like inf2.8xlarge, but 16 GiB of host memory."
reveal(answer, ", ".join(small), "\n".join(hosts), why=why)

# %% [markdown] id="nb01-c13"
# For OPT-13B **inf2.8xlarge** is the smallest that works, and this notebook launches it. The article takes the largest, with
# room for twelve copies; the container of notebook 05 starts one.
#
# ## Is it offered here?
#
# Not every region has these chips.

# %% id="nb01-c14"
from inf2lab.aws import offering

offered = offering(cloud, settings.instance)
print(offered)

# %% [markdown] id="nb01-c15"
# The answer says where it comes from: a dated table in the rehearsal, AWS itself in the inf2 lane. Two requests that
# fail at once, for free: a region without the chip, and a way from your machine to the model server's port.

# %% id="nb01-c16"
from inf2lab.aws import Cloud, WrongRegion, tunnel_command
from inf2lab.errors import SettingsError

with expect_failure(WrongRegion, about="not offered"):
    offering(Cloud("eu-south-1"), settings.instance)
with expect_failure(SettingsError, about="only Jupyter's port"):
    tunnel_command("i-0123456789abcdef0", region, port=8080)

# %% [markdown] id="nb01-c17"
# The second one protects you: the model server's port has no password, so it stays on the instance.
#
# ## May you run it?
#
# Each account has a **quota** for these instances: how many may run at once. It is counted in vCPUs, AWS's word for processor
# threads. The list of sizes above has them. A new account may have 0. A request for more takes a day or two, so look today.

# %% id="nb01-c18"
from inf2lab.aws import quota

limit = quota(cloud, settings.instance, spot=spot)
print(wrap(str(limit), hanging="  "))
if limit.enough is False:
    print("request more: Service Quotas, Amazon EC2,", limit.quota.name)

# %% [markdown] id="nb01-c19"
# ## Which image?
#
# The host needs three things: the Neuron driver, its tools, and Docker. The libraries are in the container. So you take one of
# AWS's **base** Neuron machine images (AMI), the disk that an instance starts from. **Not the newest**: since Neuron's SDK 2.31
# (2026) the driver is 2.29 or later, and AWS's release notes say that it refuses a runtime before 2.33. The container of 2023
# has runtime 2.18. Nothing would load.
#
# So an image is looked up whose SDK has an older driver. Its description names the SDK; a table says which driver that is.

# %% id="nb01-c20"
from inf2lab.aws import look_up_image

image = look_up_image(cloud, image_id=image_id, profile=settings.profile)
print(wrap(str(image), hanging="    "))

# %% [markdown] id="nb01-c21"
# If no such image is left, the launch ends here, and nothing was started. If you set `image_id`, that image is
# taken, as long as its driver fits. Nobody of us has seen the chip: that the runtime of 2023 starts on this driver is what
# AWS's documents and the driver's source say, not what we saw. (A container of a newer stack needs the opposite: driver 2.29 or later.)
#
# ## The request, word by word
#
# Nothing is sent here. Read it as you would read a contract.

# %% id="nb01-c22"
from inf2lab.aws import launch_request

request = launch_request(
    cloud, settings.instance, image, hours=hours, offered=offered, spot=spot, repository=repository
)
print(wrap(str(request), hanging="      "))

# %% [markdown] id="nb01-c23"
# Four lines decide about your bill and your safety:
#
# - `InstanceInitiatedShutdownBehavior`: **terminate**. The default, *stop*, keeps the disk, and the disk's bill.
# - `DeleteOnTermination`: the disk ends with the instance. It has the article's 512 GiB; image and checkpoints take about 100 GiB. It
#   is fast, because a first load writes and reads 26 GB twice while the instance bills.
# - `HttpPutResponseHopLimit`: **1**: no container reaches the instance's credentials. (Only DJLServing 0.21 needs 2.)
# - `TagSpecifications`: everything carries the run's name from its first moment. Notebook 99 finds it by that.
#
# ## Everything else that is created
#
# A security group (AWS's firewall) **without a single open port**, a role so that you can still get in, and a clock outside.

# %% id="nb01-c24"
from inf2lab.aws import describe_calls

print(describe_calls(request))

# %% [markdown] id="nb01-c25"
# Look at the last two. That is EventBridge, AWS's alarm clock: it terminates the instance at the deadline, even if
# the instance hangs and this notebook is closed.
#
# ## What happens inside at the first boot
#
# The script sets the **second** clock before anything else. Here are its first lines.

# %% id="nb01-c26"
script = request.user_data.splitlines()
print(wrap("\n".join(script[5:23]), hanging="    "))
print(
    f"... {len(script) - 23} more lines: the driver is held, Docker, the repository, JupyterLab with a token"
)

# %% [markdown] id="nb01-c27"
# A timer runs this every minute. It needs no permission and no network. With *terminate* above, switching off **is**
# the end. `inf2lab extend --hours 2` moves both clocks.
#
# The lines below it hold the driver, so that no upgrade brings a newer one. Each step is written into a tag of the
# instance: *booted*, *installed*, *ready*, or *failed* and why. The launch waits for it, and tells you.
#
# ## What it costs
#
# **Predict.** Four hours of an inf2.8xlarge, with disk and address: about how much? And what does a day cost if you only
# *stop* it?

# %% id="nb01-c28" tags=["predict"]
answer = {"four hours": ..., "a day stopped": ...}  # two numbers of dollars

# %% id="nb01-c29"
from inf2lab.aws import price_table

price = price_table(cloud, request)
stopped = round(24 * price.usd_per_hour_stopped, 2)
truth = {"four hours": round(4 * price.usd_per_hour, 2), "a day stopped": stopped}
reveal(answer, truth, why="A stopped instance keeps its disk, and the disk's bill.", within=0.2)

# %% [markdown] id="nb01-c30"
# Here is the whole price, and below it a first session with its loads and a mistake. Beside each number stands where it comes
# from. In the inf2 lane AWS's own list is asked; the dated table answers only if the list does not.

# %% id="nb01-c31"
from inf2lab.aws import first_session

print(price, end="\n\n")
print(wrap(first_session(request, price, settings), hanging="    "))

# %% [markdown] id="nb01-c32"
# A load takes at most 47 minutes here and 55 in 02 and 03, because this instance gets a fast disk. The last line is the price of
# what you deploy: the copies that are **started** count. Two options of `inf2lab launch` keep the
# bill small: `--idle 60` sets an alarm that ends what nobody uses, and `--bucket NAME` keeps weights and programs for the
# next session, until `inf2lab sweep --kept`.
#
# ## Review it before you send it
#
# These checks need no account. The first one compares the request with AWS's own description of its interface, which comes with
# boto3, AWS's Python library (botocore is a part of it).

# %% id="nb01-c33"
from inf2lab.aws import review

points = review(request)
for point in points:
    print("yes" if point.holds else "NO ", point.claim)

# %% [markdown] id="nb01-c34"
# ## Send it
#
# **From here on it can cost money.** In the rehearsal lane nothing is sent. In the inf2 lane, without `confirm`, AWS
# is asked in a *dry run* whether it would be allowed. With `confirm = True` it first looks whether your machine has the
# programs that reach the instance; the next section names them. Then the calls above are made, in that order; if one fails, the ones
# before it are undone. It returns when the first boot is done. If that fails, the instance stays, so that you can read its log.

# %% id="nb01-c35" tags=["nbval-ignore-output"]
from inf2lab.aws import launch

done = launch(cloud, request, confirm=confirm)
print(done)

# %% [markdown] id="nb01-c36"
# AWS may still have no free instance: the quota says that you *may* start one, not that one is free. Then every zone of the
# region is tried, and the message says what else to try.
#
# ## How you reach the instance
#
# No port is open. Session Manager, a service of AWS, brings Jupyter's port to your machine, and nothing else. (Your machine needs
# the AWS command line and its Session Manager plugin.)
#
# If you gave no `repository`, the first four lines fill the instance; `URL` is your repository's address. Then come two
# commands: type the first one in one terminal and leave it running. The second one shows the token that Jupyter asks for.

# %% id="nb01-c37" tags=["nbval-ignore-output"]
from inf2lab.aws import fill_commands, token_command

name = done.run.instance_id if done.run else "i-0123456789abcdef0"
print("" if repository else f"{fill_commands(name, region, image.user)}\n")
print(tunnel_command(name, region))
print(token_command(name, region))
print("then open http://127.0.0.1:8888")

# %% [markdown] id="nb01-c38"
# Then go on with notebook 02 **there**: its JupyterLab knows the lane and the instance already. Come back here, to this machine, for
# [99 Clean up](99_clean_up.ipynb): your machine keeps the record of what was started where.
#
# If your company wants CloudFormation, there is `deploy/cloudformation/inf2lab.yaml`. A test checks that both ask for the same.
#
# ## Check yourself
#
# The checks look at your request, your hours and your instance.

# %% id="nb01-c39" tags=["check"]
from inf2lab.aws import open_runs

broken_rules = [point.claim for point in review(request) if not point.holds]
check("the request keeps every rule", not broken_rules, hint="; ".join(broken_rules))
limit_usd = 50  # more than any first session takes
check(
    "it ends by itself before it costs more than 50 dollars",
    price_table(cloud, request).usd <= limit_usd,
    hint="set fewer hours, or a smaller instance",
)
host = plan_for(settings.model_id, instance=settings.instance, tensor_parallel_degree=2, batch_size=2).host
check(
    "the instance can load the model",
    host.once_gib <= host.instance_gib,
    hint=f"{settings.instance} has {host.instance_gib} GiB: inf2.8xlarge or larger",
)
check(
    "what was started is on record",
    (done.run is not None) == (done.run in open_runs()),
    hint="look into logs/cloud",
)

# %% [markdown] id="nb01-c40"
# **Seen on the chip?** An instance that is launched boots, installs what it needs and takes commands, with no port open from outside (documented by AWS). The image's runtime starts on the driver of the machine image that launch looks up (documented by AWS). An hour of an inf2.xlarge is 0.758 US dollars, of an inf2.48xlarge 12.981 (documented by AWS). [What each rests on](../docs/claims.md)
#
# Nobody who wrote this had the chip. `inf2lab prove` tries it on the chip, for about a dollar.

# %% [markdown] id="nb01-c41"
# **What you have now:** a request you have read, its price, and two clocks that end it.
#
# **On the chip:** set `confirm = True`. **If you started it**, [99 Clean up](99_clean_up.ipynb) ends it, or `inf2lab sweep` in
# a terminal.
#
# **Try it:** set `instance = "inf2.48xlarge"`, as the article does, and run again. What do four hours with OPT-13B cost there, and
# how many of its chips would notebook 05 leave idle?
#
# <details><summary>Answer</summary>
#
# About 52 dollars with disk and address, and the second check says FAIL. Notebook 05's container gets one chip and starts one copy,
# so eleven of twelve chips are idle and paid for. A million tokens then cost almost seven times what they cost on
# inf2.8xlarge.
#
# </details>
#
# **Exercise:** [what a weekend costs](exercises/01_instance.ipynb)
#
# **Further reading:** [Inf2 instances](https://aws.amazon.com/ec2/instance-types/inf2/) (AWS) ·
# [Inferentia2's architecture](https://awsdocs-neuron.readthedocs-hosted.com/en/latest/about-neuron/arch/neuron-hardware/inferentia2.html) (AWS) ·
# [what a terminated instance leaves](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html) (AWS)
#
# Next: [02 Plan how the model is split](02_plan.ipynb)
