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

# %% [markdown] id="nb08-c01"
# # Exercise 08: an evening's log
#
# After [08 Break it](../08_break_it.ipynb). Twenty minutes; nothing is started.
#
# A folder for the built-in handler, `option.n_positions=128`, served OPT-13B for an evening. Four requests failed. The log is
# below, with the kernel's line among the server's, as `journalctl` shows them. Use neither the linter nor `explain` this time: on
# an instance you may have only the log.
#
# The clients saw:
#
# ```
# 1   424 prediction failure    "error":""
# 2   424 prediction failure    "error":"TextEncodeInput must be Union[TextInputSequence, Tuple[InputSequence, ...
# 3   503 Service Unavailable   after four minutes
# 4   503 Service Unavailable   after two seconds
# ```

# %% [markdown] id="nb08-c02"
# ```
#  1  INFO  PyProcess W-186-opt13b-stdout: Start loading the model facebook/opt-13b...
#  2  INFO  PyProcess W-186-opt13b-stdout: LLM sharding and compiling Started ...
#  3  INFO  PyProcess Model [opt13b] initialized.
#  4  INFO  ModelServer BOTH API bind to: http://127.0.0.1:8080
#  5  WARN  PyProcess W-186-opt13b-stderr: --- Logging error ---
#  6  WARN  PyProcess W-186-opt13b-stderr: Traceback (most recent call last):
#  7  WARN  PyProcess W-186-opt13b-stderr:   File "djl_python/transformers_neuronx.py", line 310, in inference
#  8  WARN  PyProcess W-186-opt13b-stderr:     output_tokens = self.model.neuron_sample(encoded_inputs.input_ids,
#  9  WARN  PyProcess W-186-opt13b-stderr: StopIteration
# 10  WARN  PyProcess W-186-opt13b-stderr: During handling of the above exception, another exception occurred:
# 11  WARN  PyProcess W-186-opt13b-stderr:   File "logging/__init__.py", line 377, in getMessage
# 12  WARN  PyProcess W-186-opt13b-stderr:     msg = msg % self.args
# 13  WARN  PyProcess W-186-opt13b-stderr: TypeError: not all arguments converted during string formatting
# 14  WARN  PyProcess W-186-opt13b-stderr: Message: 'Failed invoke service.invoke_handler()'
# 15  WARN  PyProcess W-186-opt13b-stderr: --- Logging error ---
# 16  WARN  PyProcess W-186-opt13b-stderr: Traceback (most recent call last):
# 17  WARN  PyProcess W-186-opt13b-stderr:   File "djl_python/transformers_neuronx.py", line 303, in inference
# 18  WARN  PyProcess W-186-opt13b-stderr:     encoded_inputs = self.tokenizer.batch_encode_plus(input_data,
# 19  WARN  PyProcess W-186-opt13b-stderr:     encodings = self._tokenizer.encode_batch(
# 20  WARN  PyProcess W-186-opt13b-stderr: TypeError: TextEncodeInput must be Union[TextInputSequence, Tuple[...
# 21  WARN  PyProcess W-186-opt13b-stderr: During handling of the above exception, another exception occurred:
# 22  WARN  PyProcess W-186-opt13b-stderr:   File "logging/__init__.py", line 377, in getMessage
# 23  WARN  PyProcess W-186-opt13b-stderr:     msg = msg % self.args
# 24  WARN  PyProcess W-186-opt13b-stderr: TypeError: not all arguments converted during string formatting
# 25  WARN  PyProcess W-186-opt13b-stderr: Message: 'Failed invoke service.invoke_handler()'
# 26  WARN  PyProcess predict[init=false] exception: java.util.concurrent.TimeoutException
# 27  INFO  PyProcess Stop process: -1:186, failure=true
# 28  INFO  PyProcess Failure count: 0
# 29  INFO  PyProcess Restart python process ...
# 30  INFO  Connection Set NEURON_RT_VISIBLE_CORES=0-1
# 31  INFO  PyProcess Start process: 19001 - retry: 1
# 32  INFO  PyProcess W-206-opt13b-stdout: Python engine started.
# 33  INFO  PyProcess W-206-opt13b-stdout: Start loading the model facebook/opt-13b...
# 34  INFO  PyProcess W-206-opt13b-stdout: LLM sharding and compiling Started ...
# 35  INFO  PyProcess Model [opt13b] initialized.
# 36  Out of memory: Killed process 206 (python3) total-vm:61234567kB, anon-rss:15890000kB
# 37  WARN  PyProcess predict[init=false] exception: java.util.concurrent.ExecutionException: java.io.IOExcep...
# 38  INFO  PyProcess Stop process: -1:206, failure=true
# 39  WARN  InferenceRequestHandler ... java.io.IOException: Python worker disconnected. The worker is being r...
# 40  INFO  PyProcess Restart python process ...
# 41  INFO  PyProcess Start process: 19002 - retry: 1
# 42  INFO  PyProcess W-211-opt13b-stdout: Python engine started.
# 43  INFO  PyProcess W-211-opt13b-stdout: Start loading the model facebook/opt-13b...
# 44  INFO  PyProcess W-211-opt13b-stdout: LLM sharding and compiling Started ...
# 45  INFO  PyProcess Model [opt13b] initialized.
# ```

# %% [markdown] id="nb08-c03"
# For each request, give its **cause**, and the number of the **line** of the log that names the cause. Then say how many
# times the model was loaded that evening.
#
# | | |
# |---|---|
# | a | the batch has another size than was compiled |
# | b | prompt and answer are longer than `n_positions` |
# | c | the host had no memory left |
# | d | the chip had no memory left |
# | e | a body that the article's `model.py` takes, and this handler does not |
# | f | the answer took longer than the server waits |
# | g | the queue was full |

# %% id="nb08-c04"
cause = {1: ..., 2: ..., 3: ..., 4: ...}
line = {1: ..., 2: ..., 3: ..., 4: ...}
loads = ...
# solution: letters such as "a", numbers of lines, and a number
cause = {1: "b", 2: "e", 3: "f", 4: "c"}
line = {1: 9, 2: 20, 3: 26, 4: 36}
loads = 3
# end of solution
print(cause, line, loads)

# %% [markdown] id="nb08-c05" tags=["reason"]
# **Why.**
#
# 1. `StopIteration` without a word: the library asked for the next compiled program, one that holds more positions, and there
#    is none. 128 positions hold prompt **and** answer. Line 13 is Python's logging, which fails at the empty message.
# 2. The tokenizer got a dictionary. `{"seq_length": ..., "text": [...]}` is the article's body; the built-in handler reads
#    `inputs`, finds none, and gives the whole body to the tokenizer.
# 3. The handler never raised: the server ended the wait (`predict[init=false]`), stopped the worker, and started another.
# 4. Line 36 is the kernel's. Lines 37 to 39 are what the server sees of it.
#
# *Start loading the model* stands on lines 1, 33 and 43: three loads. On the chip each of them takes minutes, and nobody gets
# an answer meanwhile. Requests 1 and 2 harm only their own clients, who must change them. Requests 3 and 4 harm everybody.

# %% [markdown] id="nb08-c06"
# ## Check yourself

# %% id="nb08-c07" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("08_break_it", globals())

# %% [markdown] id="nb08-c08"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
