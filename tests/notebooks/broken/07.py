# %%
# breaks: every request was answered
sweep = measure.sweep(dataclasses.replace(target, url=target.url + "_gone"), measure.Load(requests=1), clients=[1])

# %%
# breaks: each answer has the tokens that were asked for
short = dataclasses.replace(target, output_tokens=2)
alone = measure.run(short, measure.Load(clients=1, requests=8, warm_up=0))

# %%
# breaks: Little's law finds the clients again
steps = [dataclasses.replace(step, seconds=2 * step.seconds) for step in steps]

# %%
# breaks: the same seed sends the same
first = target.requests(seed=1, count=1)[0]
