# %%
# breaks: your count of weights and cache agrees with the planner
cache_gb = cache_gb / 2  # one of key and value was forgotten
weights_gb = weights_gb / 2  # and the two bytes of a number

# %%
# breaks: 3 rows at degree 2 do not fit, and something else would
too_large = plans["degree 8, batch 2"]

# %%
# breaks: your list keeps every copy on neighbours, from device 0 on
passed = [0, 1, 2, 4, 5, 6, 7, 8]

# %%
# breaks: your plan is legal and may fit
mine = plan(Settings(tensor_parallel_degree=2, batch_size=64))
