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
# | **Before you start** | nothing; this notebook may be run at any time, also twice, also after a crash |
# | **Time** | 2 minutes |
# | **Cost** | it ends the cost |

# %% [markdown] id="nb99-c02"
# A server started from a notebook outlives it. That is on purpose: you close the tab, the model stays loaded. So
# something has to stop it. This notebook finds servers by their state files, and lost ones by a mark in their
# environment. It never stops a process that is not ours.

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
# Stop it: politely first, by force after ten seconds. Workers, temporary checkpoints and state files go with it.

# %% id="nb99-c07" tags=["nbval-ignore-output"]
print(stop_everything(), "stopped")

# %% [markdown] id="nb99-c08"
# ## Prove it
#
# Do not believe the line above. Look at the processes, the port and the state files.

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
# sweep terminates the instance, waits, and then looks by tag for everything that a run can leave: volumes, addresses,
# snapshots, groups, schedules, stacks, roles. What carries another tag, or none, is not touched.
#
# A **stopped** instance still bills its disk. Only **terminated** ends it.

# %% id="nb99-c11" tags=["nbval-ignore-output"]
from inf2lab import aws

for run in aws.open_runs():
    print(f"run {run.id}: {run.instance} in {run.region}, ends by itself at {run.deadline}")
swept = aws.sweep_on_record(settings)
print(swept)

# %% [markdown] id="nb99-c12"
# On the instance itself there is no record. There, `sudo shutdown -h now` ends it, in JupyterLab's terminal or in a
# Session Manager session: notebook 01 has set that a shutdown terminates. Then run this notebook on your own machine,
# for the proof.
#
# If something is left, the lines above say what, what it bills an hour, and why it did not go. Run the cell again: a
# sweep may be repeated and interrupted as often as you like. In a terminal it is `inf2lab sweep`.
#
# ## Check yourself

# %% id="nb99-c13" tags=["check"]
check("no process is left", not left_over(), hint="`inf2lab stop` in a terminal, then run this again")
check("no server is on record", not all_servers(), hint="run the stop cell again")
check("no run on AWS is open", not aws.open_runs(), hint="set lane = 'inf2', or `inf2lab sweep`")
check(
    "the port is free",
    not answers,
    hint=f"another program listens on {settings.port}; it is not ours to stop",
)

# %% [markdown] id="nb99-c14"
# **What you have now:** a clean machine, and your model folders in `models/`. They are the result: take them to an
# instance as they are.
#
# **Seen on the chip?** A sweep removes everything that a run has made (reasoned). [What each rests on](../docs/claims.md)
#
# Back to [00 Start here](00_start_here.ipynb)
