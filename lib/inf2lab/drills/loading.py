"""Drills in which the model does not load: the server stops before it opens its port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inf2lab.drills.drill import Drill, Scene, Sighting
from inf2lab.drills.folders import ARTICLES, BUILT_IN, ENGINE, OBEDIENT, OWN, change

if TYPE_CHECKING:
    from inf2lab.drills.act import Site

_ABSENT = "the load fails at the same point, after the image was pulled"


def _fails(site: Site) -> Sighting:
    return site.fail_to_start()


LOADING = (
    Drill(
        name="degree-beyond-cores",
        title="The degree asks for more cores than the instance has",
        how="serve OPT-13B with degree 8 on an inf2.xlarge, which has 2 NeuronCores",
        answer=r"LoadFailed: .*Neuron devices are not enough to run 8 partitions",
        log=r"Neuron devices are not enough to run \d+ partitions",
        cause="A copy of the model needs `option.tensor_parallel_degree` NeuronCores, and fewer are mapped.",
        fix="Lower the degree, map more devices into the container, or take a larger instance.",
        chip="The server counts /dev/neuron* itself, so a forgotten `--device` gives the same line.",
        scene=Scene({**BUILT_IN, "option.tensor_parallel_degree": 8}, instance="inf2.xlarge"),
        act=_fails,
        covers=("devices-below-degree",),
    ),
    Drill(
        name="heads-not-divisible",
        title="The degree does not divide the attention heads",
        how="serve OPT-13B, which has 40 heads, with degree 24 under the article's release",
        answer=r"LoadFailed: .*RuntimeError: nrt_tensor_copy status=2",
        log=r"RuntimeError: nrt_tensor_copy status=2.*heads",
        cause="Until transformers-neuronx padded heads (0.5), each core had to get a whole number of them.",
        fix="A degree that divides the heads: 2 or 8 for OPT-13B. Profile djl-0.25 pads 40 heads to 48 for degree 24.",
        chip="It is found while the weights are placed, minutes into the load. The runtime's own words are terser.",
        scene=Scene({**OWN, "option.tensor_parallel_degree": 24}, ARTICLES, profile="seed-0.21"),
        act=_fails,
    ),
    Drill(
        name="out-of-device-memory",
        title="Weights and KV cache do not fit the cores",
        how="serve OPT-13B on 2 cores with batch 3",
        answer=r"LoadFailed: .*nrt_tensor_allocate status=4",
        log=r'RuntimeError: nrt_tensor_allocate status=4 message="Allocation Failure"',
        cause="A core has 16 GiB. The weights take 12 of them here; the cache grows with batch size and n_positions.",
        fix="A higher degree, a smaller batch or fewer n_positions. `inf2lab plan` says it before you pay.",
        chip="The runtime prints its table of the device's memory and `neuron:mc_alloc: device mempool`.",
        scene=Scene({**OWN, "option.batch_size": 3}, ARTICLES, profile="seed-0.21"),
        act=_fails,
        covers=("device-memory",),
    ),
    Drill(
        name="dtype-of-the-built-in-handler",
        title="`fp16` in a folder with a model.py",
        how="write option.dtype=fp16 beside the article's model.py",
        answer=r"LoadFailed: .*KeyError: 'fp16'",
        log=r"KeyError: '(?:fp|bf|int|float)\d+'",
        cause="The article's code hands the value to transformers-neuronx, which knows f32, f16 and bf16 only.",
        fix="`option.dtype=f16` with a model.py; `fp16` is the built-in handler's word for the same.",
        chip=f"With OPT-13B {_ABSENT} and 26 GB of weights were read.",
        scene=Scene({**OWN, "option.dtype": "fp16"}, ARTICLES, profile="seed-0.21"),
        act=_fails,
    ),
    Drill(
        name="dtype-of-the-library",
        title="`f16` for the built-in handler",
        how="write option.dtype=f16 without a model.py",
        answer=r"LoadFailed: .*KeyError: 'dtype'",
        log=r"KeyError: 'dtype'",
        cause="The built-in handler has its own words for number formats. It drops an unknown one, and then misses it.",
        fix="`option.dtype=fp16` without a model.py.",
        chip=f"The same words; {_ABSENT}.",
        scene=Scene({**BUILT_IN, "option.dtype": "f16"}),
        act=_fails,
    ),
    Drill(
        name="entry-point-of-another-release",
        title="The entry point of another release",
        how="write option.entryPoint=djl_python.transformers-neuronx, as 0.22 and 0.23 have it, for 0.25",
        answer=r"LoadFailed: .*No module named 'djl_python\.transformers-neuronx'",
        log=r"ModuleNotFoundError: No module named 'djl_python\.transformers?[-_]neuronx",
        cause="The built-in handler's file was renamed twice: a letter in 0.22, a hyphen in 0.24.",
        fix="`djl_python.transformers_neuronx` from 0.24 on; `inf2lab lint` names the right one for each profile.",
        chip="The same words. The article's spellings fit neither the image it pulls nor each other.",
        scene=Scene({**BUILT_IN, "option.entryPoint": "djl_python.transformers-neuronx"}),
        act=_fails,
        covers=("entry-point",),
    ),
    Drill(
        name="missing-handler",
        title="Neither an entry point nor a model.py",
        how="serve a folder whose serving.properties says engine=Python and no more, without a model.py",
        answer=r"LoadFailed: .*\.py file not found in",
        log=r"FileNotFoundException: \.py file not found in:",
        cause="Without option.entryPoint the server looks for model.py, then for option.model_id to choose a handler.",
        fix="Call the file model.py, or name the entry point.",
        chip="The same words, at once.",
        scene=Scene(ENGINE),
        act=_fails,
    ),
    Drill(
        name="unknown-engine",
        title="The engine is misspelt",
        how="write engine=Pyhton",
        answer=r"LoadFailed: .*Deep learning engine not found",
        log=r"Deep learning engine not found: \w+",
        cause="`engine` names the engine that runs the model; for a handler in Python it is Python.",
        fix="`engine=Python`; or leave the line out, and the server infers it from model.py.",
        chip="The same words, at once.",
        scene=Scene({"engine": "Pyhton"}, OBEDIENT),
        act=_fails,
    ),
    Drill(
        name="missing-model",
        title="The model's name leads nowhere",
        how="misspell the name that the article's model.py carries: facebook/opt-13",
        answer=r"LoadFailed: .*OSError: .*(?:connect to|is not a local folder)",
        log=r"OSError: We couldn't connect to 'https://huggingface\.co'|is not a local folder and is not a valid model",
        cause="The name is misspelt, or the machine cannot reach the hub and has no copy.",
        fix="Correct the name; without a network, give a folder with the weights and mount it.",
        chip="With a network the message is: `is not a local folder and is not a valid model identifier`.",
        scene=Scene(OWN, change(ARTICLES, '"facebook/opt-13b"', '"facebook/opt-13"'), profile="seed-0.21"),
        act=_fails,
    ),
    Drill(
        name="tokenizer-missing",
        title="Weights without a tokenizer",
        how="load from a folder with config.json and the weights only",
        answer=r"LoadFailed: .*OSError: Can't load tokenizer for",
        log=r"OSError: Can't load tokenizer for",
        cause="The weights were copied alone. The tokenizer has its own: tokenizer.json, vocab.json, merges.txt.",
        fix="Copy every small file of the model too, or save both: `tokenizer.save_pretrained(folder)`.",
        chip="The same words, after the weights were read and split.",
        scene=Scene(
            OWN,
            change(ARTICLES, '"facebook/opt-13b"', '"weights"'),
            profile="seed-0.21",
            weights=("config.json", "model.safetensors"),
        ),
        act=_fails,
    ),
    Drill(
        name="read-only-model-folder",
        title="The handler writes into its read-only folder",
        how="let model.py write its split checkpoint beside itself, in a folder mounted read-only",
        answer=r"LoadFailed: .*Read-only file system",
        log=r"\[Errno 30\] Read-only file system",
        cause="The model folder is mounted with `:ro`, as it should be: a server must not change what it serves.",
        fix="Write into `tempfile.mkdtemp()`, as the handler of notebook 04 does.",
        chip="The same words.",
        scene=Scene(
            OWN,
            change(ARTICLES, "os.path.join(tempfile.gettempdir(), model_id)", '"split"'),
            profile="seed-0.21",
            shell='mount --bind "$PWD" "$PWD"\nmount -o remount,bind,ro "$PWD"',
        ),
        act=_fails,
    ),
    Drill(
        name="disk-full",
        title="The disk is full while the checkpoint is split",
        how="give the temporary folder a disk of 8 MB, and load a model that needs 15",
        answer=r"LoadFailed: .*(?:No space left on device|PytorchStreamWriter|inline_container)",
        log=r"No space left on device|PytorchStreamWriter failed writing file|inline_container\.cc.*unexpected pos",
        cause="Loading writes the weights once more, split by tensor, into the temporary folder.",
        fix="A larger volume: 512 GB for OPT-13B with its image, and TMPDIR on it. Remove old split copies.",
        chip="OPT-13B's split copy takes 26 GB, the AMI's own volume has 35. PyTorch's message does not say `disk`.",
        scene=Scene(
            OWN,
            ARTICLES,
            profile="seed-0.21",
            shell='mkdir -p "$TMPDIR/facebook"\nmount -t tmpfs -o size=8m tmpfs "$TMPDIR/facebook"',
        ),
        act=_fails,
        covers=("disk-full",),
    ),
    Drill(
        name="load-timeout",
        title="Loading takes longer than the timeout",
        how="allow 1 second (option.model_loading_timeout=1) to a handler that takes 30",
        answer=r"LoadFailed: .*TimeoutException",
        log=r"ModelServer Failed register workflow\n(?:.*\n){0,3}.*java\.util\.concurrent\.TimeoutException",
        cause="The first load compiles the model. The server's default is 240 s; the file wins over the environment.",
        fix="`option.model_loading_timeout=1200` in serving.properties (3600 for 30 B and more).",
        chip="OPT-13B compiles for minutes at its first start; the worker is killed in the middle and starts anew.",
        scene=Scene(
            {**ENGINE, "option.model_loading_timeout": 1}, change(OBEDIENT, "SLOW_START_S = 0", "SLOW_START_S = 30")
        ),
        act=_fails,
        covers=("load-timeout",),
    ),
)
