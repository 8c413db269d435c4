# %%
# breaks: every key of the folder has a verdict
from inf2lab import write_properties

write_properties(folder.properties_path, folder.properties() | {"option.n_posittions": "2048"})

# %%
# breaks: max_tokens is what the longest prompt leaves
body = translated.of_length(longest=12)

# %%
# breaks: old and new texts are equal, or differ where it is rounding
import dataclasses

compared = [dataclasses.replace(compared[0], at=3, margin=2.0)]
