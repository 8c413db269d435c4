# %%
# breaks: the server answers for the model
server = Server.of(dataclasses.replace(settings, port=settings.port + 7), folder.path)

# %%
# breaks: serving changed no byte of the folder
with folder.handler_path.open("a") as file:
    file.write("# a word more\n")

# %%
# breaks: the docker command mounts this folder read-only
words = [word.removesuffix(":ro") for word in on_chip.command()]
on_chip.command = lambda: words

# %%
# breaks: it publishes nothing beyond this machine
words = [word.replace("127.0.0.1:", "0.0.0.0:") for word in on_chip.command()]
on_chip.command = lambda: words
