# %%
# breaks: nothing is missing on this machine
from dataclasses import replace

findings = [*findings, replace(findings[0], level="missing", remedy="free 2 GiB")]

# %%
# breaks: the instance you named can load OPT-13B
settings = Settings(instance="inf2.xlarge")

# %%
# breaks: the stand-in keeps the rules of the model you named
settings = Settings(model_id="facebook/opt-1.3b")
