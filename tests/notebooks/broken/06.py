# %%
# breaks: one text for each prompt
outputs = outputs[:1]

# %%
# breaks: each text begins with its prompt
outputs = [text[1:] for text in outputs]

# %%
# breaks: a wrong body is refused with 424
endpoint = Endpoint(server.url, "opt-13b")

# %%
# breaks: a form is answered with 204 and nothing else
form = endpoint.send({"seq_length": 20, "text": prompts})

# %%
# breaks: the server still answers
import dataclasses

server = Server.of(dataclasses.replace(settings, port=settings.port + 7), server.folder.path)
