# %%
# breaks: your first folder: the linter finds no error
write_properties(folder.properties_path, folder.properties() | {"option.dtype": "f16"})

# %%
# breaks: every prompt was answered
reply = too_many

# %%
# breaks: one prompt too many was refused
too_many = reply

# %%
# breaks: nothing is left running
server = type("Running", (), {"exists": lambda self: True})()

# %%
# breaks: your own folder: the linter finds no error
yours.properties_path.write_text(worked.properties_path.read_text().replace("dtype=fp16", "dtype=f16"))
rerun("judged = yours")

# %%
# breaks: your own folder: the model fits on both cores
yours.properties_path.write_text(worked.properties_path.read_text().replace("degree=2", "degree=1"))
rerun("judged = yours")
rerun("order = plan_of")

# %%
# breaks: your own folder: compiled for the team's requests
yours.properties_path.write_text(worked.properties_path.read_text().replace("option.batch_size", "batch_size"))
rerun("judged = yours")
rerun("order = plan_of")

# %%
# breaks: your own folder: 16 bits, and an hour for the load
yours.properties_path.write_text(worked.properties_path.read_text().replace("=3600", "=600"))
rerun("judged = yours")
rerun("order = plan_of")
