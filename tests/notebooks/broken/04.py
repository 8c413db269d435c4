# %%
# breaks: each function is there once
with folder.handler_path.open("a") as file:
    file.write("\n\ndef infer(seq_length, prompts):\n    return prompts\n")
rerun("put_in(")

# %%
# breaks: the dtype is the library's word
write_properties(folder.properties_path, folder.properties() | {"option.dtype": "fp16"})

# %%
# breaks: a shorter prompt is filled up on the left
text = folder.handler_path.read_text()
folder.handler_path.write_text(text.replace("[blank] * start + row", "row + [blank] * start"))

# %%
# breaks: the library knows where each prompt begins
text = folder.handler_path.read_text()
folder.handler_path.write_text(text.replace('extra["start_ids"] = torch', "torch"))

# %%
# breaks: three prompts are refused for two rows
text = folder.handler_path.read_text()
folder.handler_path.write_text(text.replace('check_prompts(data["text"], batch_size)', "pass"))

# %%
# breaks: a text of two letters is no list
text = folder.handler_path.read_text()
folder.handler_path.write_text(text.replace("not isinstance(prompts, list) or ", ""))

# %%
# breaks: uneven prompts were answered, or refused by name
padded = bad[0]

# %%
# breaks: nothing is left running
server.exists = lambda: True
