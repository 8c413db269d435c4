# %%
# breaks: growing and shrinking lost no request
grown = dataclasses.replace(grown, failed=1)

# %%
# breaks: seven replicas ran
grown = dataclasses.replace(grown, after=6)

# %%
# breaks: a loss cost only what was in flight
losses = [dataclasses.replace(losses[0], failed=losses[0].in_flight + 1)]

# %%
# breaks: the longer shutdown time-out let every stream end
cuts = cuts[:1]

# %%
# breaks: the folder is the same, byte for byte
folder.handler_path.write_text("def handle(inputs):\n    return None\n")

# %%
# breaks: the cluster is gone
left = ["process 123: raylet"]
