"""The emulated NeuronCores: what computes behind the names of `transformers_neuronx`, and of no use without them.

| module | what it is for |
|---|---|
| environment, arguments, dtypes | what the process, the caller and `amp` ask for, checked in the real package's words |
| cores | which process owns which cores of the emulated instance |
| device, host, report | placing the shards on the cores, the laptop's own memory, and what a report says of both |
| checkpoint, low_memory, artifacts | weights as files, modules that read them when needed, compiled programs |
| specs, layers, loading, decoder | the architectures as data, their layers, weights into layers, and the one decoder |
| threads, sampling, rolling_batch | how many threads pay off, drawing tokens, what DJL's scheduler needs |
| model | the class behind all public model classes |

Arrows run one way: `transformers_neuronx` imports this package, which imports neuron_rules and torch. Neither is ever
on an instance, where AWS's package is the one imported.
"""

import gc

# What a handler has imported by now stays. transformers looks for waste once while it loads a model: not among that.
gc.freeze()
