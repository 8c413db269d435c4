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

# %% [markdown] id="nb05-c01"
# # Exercise 05: five loads, five logs
#
# After [05 Start the server](../05_serve.ipynb). Fifteen minutes; nothing is started.
#
# Five servers were started. Below is what their logs say at the end, as the rehearsal and the chip's runtime print it.
# Long lines are cut at `...`. For each log choose **one** letter:
#
# | | |
# |---|---|
# | a | fewer NeuronCores than the degree asks for |
# | b | nothing is wrong: it has loaded, and waits for requests |
# | c | nothing is wrong: it still loads |
# | d | the number format has the wrong word for this handler |
# | e | the checkpoint is not where the folder says |
# | f | the host's memory is too small |
# | g | the chip's memory is too small |

# %% [markdown] id="nb05-c02"
# ## Log 1
#
# ```
# INFO  Connection Set NEURON_RT_VISIBLE_CORES=0-1
# INFO  PyProcess W-181-opt13b-stdout: Python engine started.
# WARN  PyProcess W-181-opt13b-stderr:   File "djl_python/transformers_neuronx.py", line 182, in initialize
# WARN  PyProcess W-181-opt13b-stderr:     self.tnx_configs = TransformerNeuronXProperties(**properties)
# WARN  PyProcess W-181-opt13b-stderr: KeyError: 'dtype'
# WARN  PyProcess W-181-opt13b-stderr: During handling of the above exception, another exception occurred:
# WARN  PyProcess W-181-opt13b-stderr: TypeError: not all arguments converted during string formatting
# WARN  PyProcess W-181-opt13b-stderr: Message: 'Failed invoke service.invoke_handler()'
# INFO  PyProcess Stop process: -1:181, failure=true
# ERROR ModelServer Failed register workflow
# java.util.concurrent.CompletionException: ai.djl.engine.EngineException: Failed to initialize model: ...
# ```
#
# ## Log 2
#
# ```
# INFO  PyProcess W-93-opt13b-stdout: Transferring weights from HF to INF2 in-memory
# INFO  PyProcess W-93-opt13b-stdout: LLM sharding and compiling Started ...
# 2024-Jul-10 09:14:38.431822 12878:14357 ERROR  TDRV:log_dev_mem   Failed to allocate 43.325MB (usage: dma rings) on ND 0:NC 1
# WARN  PyProcess W-93-opt13b-stderr: Message: 'Failed invoke service.invoke_handler()'
# INFO  PyProcess Stop process: -1:93, failure=true
# ERROR ModelServer Failed register workflow
# java.util.concurrent.CompletionException: ai.djl.engine.EngineException: Failed to initialize model: ...
# ```
#
# ## Log 3
#
# ```
# INFO  ModelServer Found model opt13b=file:/opt/ml/model/opt13b/
# INFO  ModelServer Initializing model: opt13b=file:/opt/ml/model/opt13b/
# ERROR ModelServer Failed register workflow
# java.util.concurrent.CompletionException: ai.djl.engine.EngineException: Neuron devices are not enough to run 8 partitions. ...
# INFO  ModelServer Stopping model server.
# ```

# %% [markdown] id="nb05-c03"
# ## Log 4
#
# ```
# INFO  PyProcess W-77-opt13b-stdout: Python engine started.
# INFO  PyProcess W-77-opt13b-stdout: Start loading the model facebook/opt-13b...
# Out of memory: Killed process 77 (python3) total-vm:61234567kB, anon-rss:15890000kB
# INFO  PyProcess Stop process: -1:77, failure=true
# ERROR ModelServer Failed register workflow
# Caused by: java.lang.IllegalThreadStateException: Python stream closed unexpectedly, exit code: 1
# ```
#
# ## Log 5
#
# ```
# WARN  PyProcess W-186-opt13b-stderr: ... UserWarning: torch_dtype of the configuration is ignored: amp='f16' is used
# INFO  PyProcess W-186-opt13b-stdout: LLM sharding and compiling Started ...
# INFO  PyProcess W-186-opt13b-stdout: SysHealth: LLM sharding and compilation latency: 3.05 secs
# INFO  PyProcess Model [opt13b] initialized.
# INFO  ModelServer BOTH API bind to: http://127.0.0.1:8080
# ```
#
# Two letters are not used.

# %% id="nb05-c04"
cause = {1: ..., 2: ..., 3: ..., 4: ..., 5: ...}
# solution: a letter for each log, as in "a"
cause = {1: "d", 2: "g", 3: "a", 4: "f", 5: "b"}
# end of solution
print(cause)

# %% [markdown] id="nb05-c05" tags=["reason"]
# **Why.**
#
# 1. `KeyError: 'dtype'` is the first exception; what stands below it comes from the logging itself. The file said `f16`,
#    and the built-in handler wants `fp16`.
# 2. `TDRV` is the Neuron runtime's driver layer, and `ND 0:NC 1` is device 0, NeuronCore 1: the chip's memory.
# 3. No line comes from Python. The server counted the cores before it started a worker: eight were asked for, fewer are mapped.
# 4. `Out of memory: Killed process` is the Linux kernel: the host's memory. What the server says after it is a consequence.
# 5. A warning is no failure. `initialized` and `bind to` are the two lines to wait for.

# %% [markdown] id="nb05-c06"
# ## Check yourself

# %% id="nb05-c07" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("05_serve", globals())

# %% [markdown] id="nb05-c08"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
