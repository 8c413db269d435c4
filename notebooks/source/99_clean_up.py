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

# %% [markdown] id="nb99-c01"
# # Clean up: stop everything and prove it
#
# | | |
# |---|---|
# | **You will do** | stop every server this repository started, then look for anything that is left |
# | **You will be able to** | end a session knowing that nothing runs and nothing bills |
# | **Before you start** | nothing; you may run this notebook at any time, even twice, even after a crash |
# | **Time** | 6 minutes to read, seconds to run; on AWS a sweep waits some minutes |
# | **Cost** | it ends the cost |

# %% [markdown] id="nb99-c02"
# A server that a notebook started keeps running when you close the notebook. That is on purpose: the model stays loaded. So
# something has to stop it. This notebook finds servers by their state files. If a state file is lost, it finds the server by a
# mark in its environment. It never stops a process that this repository did not start.

# %% id="nb99-c03" tags=["parameters"]
lane: str = "rehearsal"
port: int = 8080

# %% [markdown] id="nb99-c04"
# What is there now?

# %% id="nb99-c05" tags=["nbval-ignore-output"]
from inf2lab import Settings, check, enter_repository
from inf2lab.serving import all_servers, left_over, stop_everything

enter_repository()
settings = Settings.from_notebook(globals())
print("servers on record:", len(all_servers()))
for server in all_servers():
    print(server.folder.name, "at", server.url, "is", server.status().state)

# %% [markdown] id="nb99-c06"
# Stop all of it. Each server is asked to end, and is killed if it still runs after ten seconds. Its workers, temporary
# checkpoints and state files are removed too.

# %% id="nb99-c07" tags=["nbval-ignore-output"]
print(stop_everything(), "stopped")

# %% [markdown] id="nb99-c08"
# ## Prove it
#
# Do not trust the line above. Look at the processes, the port and the state files.

# %% id="nb99-c09"
import socket

with socket.socket() as probe:
    probe.settimeout(1)
    answers = probe.connect_ex(("127.0.0.1", settings.port)) == 0
print("processes left:", left_over())
print("servers on record:", len(all_servers()))
print("somebody listens on the port:", answers)

# %% [markdown] id="nb99-c10"
# ## And on AWS
#
# Run this on the machine that **launched** the instance: its record says which runs there were, in which regions. The
# sweep terminates the instance, waits, and then looks by tag for everything that a run can leave: disks, addresses,
# snapshots, groups, schedules, roles. Anything with another tag, or without one, is not touched.
#
# **Predict.** Does a *stopped* instance still bill? Does a *terminated* one?

# %% id="nb99-c11" tags=["predict"]
answer = {"stopped": ..., "terminated": ...}  # True if it still bills, else False

# %% id="nb99-c12"
from inf2lab import reveal

why = "A stopped instance keeps its disk, and AWS bills the disk. Only a terminated one costs nothing."
reveal(answer, {"stopped": True, "terminated": False}, why=why)

# %% [markdown] id="nb99-c13"
# Now sweep. In the rehearsal lane nothing was launched, so nothing is found.

# %% id="nb99-c14" tags=["nbval-ignore-output"]
from inf2lab import aws

for run in aws.open_runs():
    print(f"run {run.id}: {run.instance} in {run.region}, ends by itself at {run.deadline}")
swept = aws.sweep_on_record(settings)
print(swept)

# %% [markdown] id="nb99-c15"
# On the instance itself there is no record. There, `sudo shutdown -h now` ends it: in notebook 01, the launch says that a shutdown terminates.
# Then run this notebook on your own machine, for the proof.
# If something is left, the lines above say what and why: run the cell again. In a terminal the same command is `inf2lab sweep`.
#
# ## Check yourself

# %% id="nb99-c16" tags=["check"]
check("no process is left", not left_over(), hint="`inf2lab stop` in a terminal, then run this again")
check("no server is on record", not all_servers(), hint="run the stop cell again")
check("no run on AWS is open", not aws.open_runs(), hint="set lane = 'inf2', or `inf2lab sweep`")
check(
    "the port is free",
    not answers,
    hint=f"another program listens on {settings.port}; it is not ours to stop",
)

# %% [markdown] id="nb99-c17"
# **Seen on the chip?** A sweep removes everything that a run has made (reasoned). [What each rests on](../docs/claims.md)
#
# Nobody who wrote this had the chip. `inf2lab prove` tries it on the chip, for about a dollar.

# %% [markdown] id="nb99-c18"
# **What you have now:** a clean machine, and your model folders in `models/`. They are the result: take them to an
# instance as they are. [What you take away](../docs/take_away.md) says in one page what you can do now and what changes on
# the chip.
#
# **Try it:** start a server in a terminal with `inf2lab serve models/opt13b`, then run only the check cell. Which lines say FAIL?
#
# <details><summary>Answer</summary>
#
# The first one: a process is left. A check stops at its first FAIL, so you do not see that the server is on record too. Run
# the notebook from the top, and all say PASS again.
#
# </details>
#
# **Exercise:** [the quiz](exercises/quiz.ipynb): twelve questions about the whole path.
#
# **Further reading:** [what terminating an instance does](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html) (AWS) ·
# [Neuron's documentation](https://awsdocs-neuron.readthedocs-hosted.com/en/latest/) (AWS) ·
# [optimum-neuron](https://huggingface.co/docs/optimum-neuron/guides/vllm_plugin) (Hugging Face)
#
# Next: [10 Where next](10_where_next.ipynb), or back to [00 Start here](00_start_here.ipynb)
