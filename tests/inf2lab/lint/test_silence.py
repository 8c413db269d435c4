"""What a rule must not say: for every rule, configurations next to what it finds that load and answer on the chip."""

# ruff: noqa: E501 - one case a row reads as a table
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inf2lab.lint import RULES, lint
from inf2lab.lint.examples import HANDLER_OF_CHECKPOINT, HANDLER_THAT_SAMPLES, launched

if TYPE_CHECKING:
    from conftest import Lint, Write

OPT = "engine=Python\noption.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-1.3b\n"
OLD = OPT.replace("transformers_neuronx", "transformer-neuronx")
IMAGE = "deepjavalibrary/djl-serving:0.25.0-pytorch-inf2"
ASKS = "inputs.is_empty()"
HANDLE = f"\n\ndef handle(inputs):\n    if {ASKS}:\n        return None\n    return str(inputs)\n"
ADAPTER = "transformers_neuronx.generation_utils"
RUN = f"-p 127.0.0.1:8080:8080 --device /dev/neuron0 -v $PWD:/opt/ml/model {IMAGE}"
JSON = "-H 'Content-Type: application/json'"
COMPOSE = f"""\
services:
  model:
    image: {IMAGE}
    devices: [/dev/neuron0]
    ports: [{{target: 8080, published: 8080, host_ip: 127.0.0.1}}]
    volumes:
      - type: bind
        source: ./models
        target: /opt/ml/model
"""


def started(words: str, options: str = "option.tensor_parallel_degree=2\n", base: str = OPT) -> dict[str, str]:
    return {"serving.properties": base + options, "run.sh": f"docker run {words}\n"}


def handled(code: str, model: str = "facebook/opt-1.3b", **more: str) -> dict[str, str]:
    return {"serving.properties": f"option.model_id={model}\n", "model.py": code + HANDLE, **more}


def reading(line: str, options: str = "") -> dict[str, str]:
    """A handler that takes its options with `line`."""
    code = f"def load(properties):\n    {line}\n\n\ndef handle(inputs):\n    load(inputs.get_properties())\n"
    return {
        "serving.properties": f"engine=Python\n{options}",
        "model.py": f"{code}    if {ASKS}:\n        return None\n    return str(inputs)\n",
    }


def working(line: str, model: str = "facebook/opt-1.3b") -> dict[str, str]:
    """A handler that does `line` with each request."""
    code = f"import torch\n\n\ndef handle(inputs):\n    if {ASKS}:\n        return None\n    {line}\n    return str(result)\n"
    return {"serving.properties": f"option.model_id={model}\n", "model.py": code}


def called(words: str, **files: str) -> dict[str, str]:
    return {"serving.properties": OPT, "call.sh": f"curl http://127.0.0.1:8080/predictions/{words}\n", **files}


# (rule, what it must be silent about, profile): the rule's name is in no finding.
SILENT: dict[str, tuple[str, Any, str]] = {
    "B001 the server's batch is the model's, where no option says another": (
        "B001",
        OPT + "batch_size=4\n",
        "djl-0.25",
    ),
    "B001 max_dynamic_batch_size is the same key": ("B001", OPT + "max_dynamic_batch_size=4\n", "djl-0.29"),
    "B001 the server gathers no more than the model has rows": (
        "B001",
        OPT + "option.batch_size=4\nbatch_size=2\n",
        "djl-0.25",
    ),
    "B004 a batch of one beside a rolling batch": ("B004", OPT + "batch_size=1\n", "djl-0.32"),
    "B004 a rolling batch that is off": ("B004", OPT + "batch_size=4\noption.rolling_batch=disable\n", "djl-0.32"),
    "K002 a key that the server reads from 0.27 on": ("K002", OPT + "max_dynamic_batch_size=4\n", "djl-0.27"),
    "K002 keys of the server's metrics and memory": (
        "K002",
        OPT + "reserved_memory_mb=500\nretry_threshold=3\nlog_model_metric=true\n",
        "djl-0.25",
    ),
    "K002 what vLLM reads of a rolling batch": (
        "K002",
        OPT + "option.rolling_batch=vllm\noption.block_size=32\n",
        "djl-0.32",
    ),
    "V003 the loaders of each release": ("V003", OPT + "option.model_loader=nxdi\n", "djl-0.32"),
    "S002 a privileged container sees every device": ("S002", started(f"--privileged {IMAGE}"), "djl-0.25"),
    "S002 a container of something else": ("S002", started("nginx:1"), "djl-0.25"),
    "S005 a model that the hub gives": ("S005", started(f"-e HF_MODEL_ID=gpt2 {IMAGE}"), "djl-0.25"),
    "S007 SageMaker's image": (
        "S007",
        started("1.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.25.0-neuronx-sdk2.15.0"),
        "djl-0.25",
    ),
    "S007 somebody's own image": ("S007", started("registry.example/our-djl:7"), "djl-0.25"),
    "S008 a model by its path": ("S008", started(f"-e SERVING_LOAD_MODELS=models/opt {RUN}"), "djl-0.25"),
    "S008 no model at all": ("S008", started(f"{RUN} djl-serving -s store -m none"), "djl-0.25"),
    "I003 a model that the environment names": (
        "I003",
        {"serving.properties": OPT.rpartition("option.")[0], "run.sh": f"docker run -e OPTION_MODEL_ID=gpt2 {IMAGE}\n"},
        "djl-0.25",
    ),
    "I004 a family that another loader loads": (
        "I004",
        OPT.replace("facebook/opt-1.3b", "Qwen/Qwen3-8B") + "option.model_loader=nxdi\n",
        "djl-0.32",
    ),
    "I004 Llama 3.1 where transformers reads it": (
        "I004",
        OPT.replace("facebook/opt-1.3b", "meta-llama/Llama-3.1-8B"),
        "lmi-0.30",
    ),
    "I005 int8 of a family that has it": ("I005", OPT + "option.load_in_8bit=true\n", "djl-0.25"),
    "I006 an address that the server fetches": ("I006", OPT.replace("facebook/", "s3://bucket/"), "djl-0.25"),
    "M015 an import that is tried": (
        "M015",
        handled(f"try:\n    import {ADAPTER}\nexcept ImportError:\n    pass\n"),
        "seed-0.21",
    ),
    "M015 a class's own methods": (
        "M015",
        handled("from transformers_neuronx.opt.model import OPTForSampling\n\nLOAD = OPTForSampling.from_pretrained\n"),
        "djl-0.25",
    ),
    "M016 eight bits as 0.2 spells them": (
        "M016",
        handled('MODEL = OPTForSampling.from_pretrained("/split", amp="f16-u8-f16")\n'),
        "seed-0.21",
    ),
    "M016 an argument of a release whose list nobody wrote down": (
        "M016",
        handled('MODEL = OPTForSampling.from_pretrained("/split", amp="f16")\nMODEL.sample(None, 8, streamer=None)\n'),
        "djl-0.29",
    ),
    "M017 a folder that was split before": (
        "M017",
        handled('save_pretrained_split(None, "split")\nMODEL = OPTForSampling.from_pretrained("split")\n'),
        "djl-0.25",
    ),
    "M017 a release that downloads by itself": (
        "M017",
        handled('MODEL = LlamaForSampling.from_pretrained("meta-llama/Llama-2-7b-hf")\n'),
        "djl-0.27",
    ),
    "M018 what the image has is enough": (
        "M018",
        handled("", **{"requirements.txt": "transformers>=4.30,<5\naccelerate~=0.23.0\n# torch==9\npandas==2\n"}),
        "djl-0.25",
    ),
    "P001 two backslashes": ("P001", "engine=Python\n# \\users\noption.model_id=C:\\\\users\n", "djl-0.25"),
    "P002 the server's key beside the option": (
        "P002",
        OPT + "option.batch_size=4\nbatch_size=4\n#batch_size=2\n",
        "djl-0.25",
    ),
    "P003 a comment, and a line that goes on": (
        "P003",
        OPT + "# rows \noption.context_length_estimate=256, \\\n  512\n",
        "djl-0.25",
    ),
    "P004 a sign without a blank before it": (
        "P004",
        OPT + "option.revision=refs#1\noption.s3url=s3://b/a!b\n",
        "djl-0.25",
    ),
    "P005 a value that goes on": (
        "P005",
        OPT + "option.context_length_estimate=256,\\\n  512,\\\n  1024\n",
        "djl-0.25",
    ),
    "P006 quotes inside a value": ("P006", OPT + 'option.override_neuron_config={"a": "b"}\n', "djl-0.32"),
    "P007 a comment in another language": ("P007", "# \u00c3\u00bcber\n" + OPT, "djl-0.25"),
    "P008 other files": (
        "P008",
        {"serving.properties": OPT, "config.properties": "", "log4j2.properties": ""},
        "djl-0.25",
    ),
    "P008 one file for each of two folders": (
        "P008",
        {
            "serving.properties": OPT,
            "make.sh": "cd a\necho x > serving.properties\ncd ../b && echo y > serving.properties\n",
        },
        "djl-0.25",
    ),
    "P008 one of two branches": (
        "P008",
        {
            "serving.properties": OPT,
            "make.sh": "if a; then\n echo x > serving.properties\nelse\n echo y > serving.properties\nfi\n",
        },
        "djl-0.25",
    ),
    "K001 a key that is the server's own": ("K001", OPT + "batch_size=2\nminWorkers=1\n", "djl-0.25"),
    "K003 a handler of one's own that reads it": (
        "K003",
        reading('task = properties.get("task")', "option.task=chat\n"),
        "djl-0.25",
    ),
    "K004 workers of a kind of device": ("K004", OPT + "nc.maxWorkers=1\n", "djl-0.25"),
    "K004 a handler of one's own that spells it so": (
        "K004",
        reading('dtype = properties.get("DType")', "option.DType=f16\n"),
        "djl-0.25",
    ),
    "K005 an empty variable": ("K005", started(f"-e OPTION_REVISION= {RUN}"), "djl-0.25"),
    "K006 the same value in both places": ("K006", started(f"-e OPTION_TENSOR_PARALLEL_DEGREE=2 {RUN}"), "djl-0.25"),
    "K006 a variable of something else": ("K006", started(f"-e LOG_LEVEL=debug {RUN}"), "djl-0.25"),
    "V001 max, and a sign": ("V001", OPT + "option.tensor_parallel_degree=max\noption.batch_size=+2\n", "djl-0.25"),
    "V001 a handler of one's own that reads a word": (
        "V001",
        reading('rows = properties.get("batch_size")', "option.batch_size=auto\n"),
        "djl-0.25",
    ),
    "V002 a time-out of 0 is none that is set": (
        "V002",
        OPT + "option.predict_timeout=0\noption.model_loading_timeout=0\n",
        "djl-0.25",
    ),
    "V002 no worker at first": ("V002", OPT + "minWorkers=0\nmax_batch_delay=0\n", "djl-0.25"),
    "V003 letters of another case": ("V003", OPT + "option.load_in_8bit=False\n", "djl-0.25"),
    "V004 a handler that makes it a number": ("V004", OPT + "option.unroll=24\n", "djl-0.26"),
    "E001 a handler of another package": (
        "E001",
        OPT.replace("djl_python.transformers_neuronx", "ours.neuron"),
        "djl-0.25",
    ),
    "E002 a module without its ending": (
        "E002",
        {"serving.properties": "option.entryPoint=model\n", "model.py": HANDLE},
        "djl-0.25",
    ),
    "E002 a file that is called as the folder": (
        "E002",
        {"serving.properties": "engine=Python\n", "m.py": HANDLE},
        "seed-0.21",
    ),
    "E003 a file that the handler imports": ("E003", {"serving.properties": OPT, "prompts.py": HANDLE}, "djl-0.25"),
    "E004 an engine of processes that is told not to": (
        "E004",
        OPT.replace("engine=Python", "engine=MPI\noption.mpi_mode=false"),
        "djl-0.25",
    ),
    "E005 a degree in the environment": (
        "E005",
        started(f"-e TENSOR_PARALLEL_DEGREE=2 {RUN}", "", "engine=Python\noption.model_id=gpt2\n"),
        "djl-0.25",
    ),
    "E006 a release with the other default": ("E006", OPT, "djl-0.28"),
    "E006 a rolling batch": ("E006", OPT + "option.rolling_batch=auto\n", "djl-0.26"),
    "E006 a family that optimum did not load": (
        "E006",
        OPT.replace("facebook/opt-1.3b", "EleutherAI/gpt-j-6b"),
        "djl-0.27",
    ),
    "D001 a model.py that translates": (
        "D001",
        reading('amp = properties["dtype"].replace("p", "")\n    load_model(amp=amp)', "option.dtype=fp16\n"),
        "djl-0.25",
    ),
    "D002 a release whose default is fp16": ("D002", OPT, "djl-0.26"),
    "T001 a handler that uses no core": (
        "T001",
        handled("") | {"serving.properties": "option.tensor_parallel_degree=3\n"},
        "djl-0.25",
    ),
    "T003 a handler that uses no core": (
        "T003",
        reading(
            'amp = properties.get("dtype")',
            "option.model_id=facebook/opt-66b\noption.tensor_parallel_degree=2\noption.batch_size=1\noption.dtype=f16\n",
        ),
        "djl-0.25",
    ),
    "V002 an option that nobody reads": (
        "V002",
        handled("") | {"serving.properties": "option.n_positions=0\n"},
        "djl-0.25",
    ),
    "T001 every core, and an even number": ("T001", OPT + "option.tensor_parallel_degree=max\n", "djl-0.25"),
    "T002 a degree that divides": ("T002", OPT + "option.tensor_parallel_degree=8\n", "djl-0.25"),
    "T003 eight bits": (
        "T003",
        OPT.replace("1.3b", "13b")
        + "option.tensor_parallel_degree=2\noption.dtype=fp16\noption.load_in_8bit=true\noption.n_positions=2048\noption.batch_size=3\n",
        "djl-0.25",
    ),
    "T004 copies that are named": (
        "T004",
        started(
            RUN.replace("neuron0", "neuron0 --device /dev/neuron1"),
            "option.tensor_parallel_degree=2\nload_on_devices=nc0;nc2\n",
        ),
        "djl-0.25",
    ),
    "T004 a container of something else": ("T004", started("--privileged nginx:1"), "djl-0.25"),
    "T005 groups in another order, and none": (
        "T005",
        OPT + "option.tensor_parallel_degree=2\nload_on_devices=nc2;nc0\n",
        "djl-0.25",
    ),
    "T005 numbers of groups before 0.24": (
        "T005",
        OPT + "option.tensor_parallel_degree=2\nload_on_devices=nc0;nc1\n",
        "djl-0.23",
    ),
    "T006 a model that is split already": (
        "T006",
        OPT.replace("facebook/opt-1.3b", "bigscience/bloom")
        + "option.tensor_parallel_degree=24\noption.load_split_model=true\n",
        "djl-0.25",
    ),
    "O001 a handler of one's own": ("O001", handled(""), "djl-0.25"),
    "O002 all of the model's": ("O002", OPT + "option.n_positions=2048\n", "djl-0.25"),
    "O002 a handler that does not read it": (
        "O002",
        handled("") | {"serving.properties": "option.n_positions=9999\n"},
        "djl-0.25",
    ),
    "O003 all of the model's": ("O003", OPT + "option.n_positions=2048\n", "djl-0.25"),
    "O004 as many as the vendor names": (
        "O004",
        OPT.replace("facebook/opt-1.3b", "meta-llama/Llama-3.1-8B") + "option.n_positions=32768\n",
        "djl-0.29",
    ),
    "B002 a release that reads the word": ("B002", OPT + "option.rolling_batch=disable\n", "djl-0.25"),
    "B005 the handler's own rolling batch": ("B005", OPT + "option.rolling_batch=auto\n", "djl-0.25"),
    "B005 a release that reads the word": ("B005", OPT + "option.rolling_batch=disable\n", "djl-0.27"),
    "B005 a handler that answers in steps": (
        "B005",
        working("result = [{'data': 'a', 'last': True} for one in inputs.get_batches()]")
        | {"serving.properties": "option.rolling_batch=auto\n"},
        "djl-0.25",
    ),
    "B003 workers of a handler that uses no core": (
        "B003",
        handled("") | {"serving.properties": "maxWorkers=4\n"},
        "djl-0.25",
    ),
    "B003 workers on the CPU": ("B003", OPT + "cpu.maxWorkers=2\n", "djl-0.25"),
    "L001 what DJL's own tests give such a model": ("L001", OPT + "option.model_loading_timeout=1200\n", "djl-0.25"),
    "L001 the container says it": ("L001", started(f"-e MODEL_LOADING_TIMEOUT=7200 {RUN}", base=OLD), "seed-0.21"),
    "L002 the same time in both places": (
        "L002",
        started(f"-e MODEL_LOADING_TIMEOUT=7200 {RUN}", "option.model_loading_timeout=7200\n"),
        "djl-0.25",
    ),
    "I001 a folder without a size": ("I001", OPT, "djl-0.25"),
    "I002 an address that is no model_id": (
        "I002",
        OPT.rpartition("option.")[0] + "option.s3url=s3://b/opt/\n",
        "djl-0.25",
    ),
    "M001 what its Python knows": ("M001", handled("if (n := 1) > 0:\n    pass\n"), "djl-0.25"),
    "M001 what a later Python knows": ("M001", handled("match 1:\n    case _:\n        pass\n"), "djl-0.29"),
    "M002 a function in a branch": (
        "M002",
        {
            "serving.properties": OPT[:14],
            "model.py": "try:\n    import torch\nexcept ImportError:\n    pass\nelse:\n    def handle(inputs):\n        return None\n",
        },
        "djl-0.25",
    ),
    "M002 a function that is a method": (
        "M002",
        {"serving.properties": OPT[:14], "model.py": "from ours import Service\n\nhandle = Service().handle\n"},
        "djl-0.25",
    ),
    "M002 another name": (
        "M002",
        {"serving.properties": "option.handler=predict\n", "model.py": "def predict(inputs):\n    return None\n"},
        "djl-0.25",
    ),
    "M003 a key that is asked for first": (
        "M003",
        reading('rows = properties["batch_size"] if "batch_size" in properties.keys() else 1'),
        "djl-0.25",
    ),
    "M003 a key that get has seen": (
        "M003",
        reading('if properties.get("revision"):\n        revision = properties["revision"]'),
        "djl-0.25",
    ),
    "M003 a key that the code sets": (
        "M003",
        reading(
            'properties.setdefault("dtype", "f16")\n    properties["rows"] = 1\n    properties.update({"a": 1})\n    load_model(properties["dtype"], properties["rows"], properties["a"])'
        ),
        "djl-0.25",
    ),
    "M003 what the worker adds": (
        "M003",
        reading('load_model(properties["model_dir"], properties["device_id"])'),
        "djl-0.25",
    ),
    "M003 a variable of the container": (
        "M003",
        reading('degree = properties["tensor_parallel_degree"]')
        | {"run.sh": f"docker run -e TENSOR_PARALLEL_DEGREE=2 {RUN}\n"},
        "djl-0.25",
    ),
    "M004 a key that get_property reads": (
        "M004",
        {
            "serving.properties": "option.n_positions=256\n",
            "model.py": "def handle(inputs):\n    return inputs.get_property('n_positions')\n",
        },
        "djl-0.25",
    ),
    "M004 options that go to another module": (
        "M004",
        reading("ours.start(**properties)", "option.n_positions=256\n"),
        "djl-0.25",
    ),
    "M005 a tokenizer's name": (
        "M005",
        reading(
            'model = AutoModelForCausalLM.from_pretrained(properties["model_id"])\n    words = AutoTokenizer.from_pretrained("facebook/opt-13b")',
            "option.model_id=/opt/ml/weights\n",
        ),
        "djl-0.25",
    ),
    "M006 one prompt": ("M006", working("result = tokenizer(inputs.get_as_string(), return_tensors='pt')"), "djl-0.25"),
    "M006 one prompt after the other": (
        "M006",
        working("result = [tokenizer(text, return_tensors='pt') for text in inputs.get_as_json()['text']]"),
        "djl-0.25",
    ),
    "M006 a row": ("M006", working("result = torch.tensor([tokenizer.encode('Hello')])"), "djl-0.25"),
    "M006 arguments from elsewhere": (
        "M006",
        working("result = tokenizer(texts, return_tensors='pt', **HOW)"),
        "djl-0.25",
    ),
    "M007 one worker": (
        "M007",
        {"serving.properties": "option.tensor_parallel_degree=12\n", "model.py": HANDLER_OF_CHECKPOINT},
        "djl-0.25",
    ),
    "M008 a body that is looked at": (
        "M008",
        {
            "serving.properties": OPT[:14],
            "model.py": "def handle(inputs):\n    if not inputs.content:\n        return None\n    return inputs.get_as_json()\n",
        },
        "djl-0.25",
    ),
    "M009 Python's own sampling": ("M009", working("result = random.sample(range(9), 2)"), "djl-0.25"),
    "M009 rows that are filled up": (
        "M009",
        {
            "serving.properties": OPT[:14],
            "model.py": HANDLER_THAT_SAMPLES.replace(
                "    ids =", "    data['text'] += [''] * (4 - len(data['text']))\n    ids ="
            ),
        },
        "djl-0.25",
    ),
    "M009 the tensor's shape": (
        "M009",
        working("assert ids.shape[0] == 4; result = model.sample(ids, 64)"),
        "djl-0.25",
    ),
    "M010 a checkpoint without a name": ("M010", handled("save_pretrained_split(load(), 'split')\n"), "djl-0.25"),
    "M011 a list that is empty at first": (
        "M011",
        {
            "serving.properties": OPT[:14],
            "model.py": "models = []\n\n\ndef handle(inputs):\n    global models\n    if not models:\n        models = [1]\n",
        },
        "djl-0.25",
    ),
    "M012 a name that one function alone uses": (
        "M012",
        {
            "serving.properties": OPT[:14],
            "model.py": "def handle(inputs):\n    global model\n    model = str\n    return model()\n",
        },
        "djl-0.25",
    ),
    "M013 an image that names it": (
        "M013",
        working("result = OPT.from_pretrained('x', low_cpu_mem_usage=True)"),
        "djl-0.25",
    ),
    "M014 a file that asks for nothing": ("M014", handled("", **{"requirements.txt": "# torch\n\n"}), "djl-0.25"),
    "M018 a package of another Python": (
        "M018",
        handled("", **{"requirements.txt": 'transformers==4.45.2; python_version >= "3.10"\n-r more.txt\n'}),
        "djl-0.25",
    ),
    "M019 a degree that the code reads": (
        "M019",
        reading('OPTForSampling.from_pretrained("/split", tp_degree=int(properties.get("tensor_parallel_degree", 2)))'),
        "djl-0.25",
    ),
    "M019 as many as the server gives": (
        "M019",
        reading('OPTForSampling.from_pretrained("/split", tp_degree=2)', "option.tensor_parallel_degree=4\n"),
        "djl-0.25",
    ),
    "M019 a degree in the environment": (
        "M019",
        reading('OPTForSampling.from_pretrained("/split", tp_degree=2)')
        | {"run.sh": f"docker run -e TENSOR_PARALLEL_DEGREE=2 {RUN}\n"},
        "djl-0.25",
    ),
    "R001 a request within them": (
        "R001",
        called(f'm {JSON} -d \'{{"inputs": ["a"], "parameters": {{"max_new_tokens": 100}}}}\''),
        "djl-0.25",
    ),
    "R001 a handler that reads no positions": (
        "R001",
        handled("")
        | {"serving.properties": "option.n_positions=64\n", "request.json": '{"text": ["a"], "seq_length": 512}'},
        "djl-0.25",
    ),
    "R002 a body in a file": ("R002", called(f"m {JSON} -d @request-of-mine.txt"), "djl-0.25"),
    "R002 a body in a variable": ("R002", called(f'm {JSON} --data-binary "$BODY"'), "djl-0.25"),
    "R002 no body that is seen": ("R002", called("m -F data=@prompt.txt"), "djl-0.25"),
    "R002 a chat": ("R002", {"serving.properties": OPT, "request.json": '{"messages": []}'}, "djl-0.29"),
    "R003 fewer prompts than rows": (
        "R003",
        {"serving.properties": OPT + "option.batch_size=4\n", "request.json": '{"inputs": ["a"]}'},
        "djl-0.25",
    ),
    "R003 a handler whose rows the code alone knows": (
        "R003",
        handled("") | {"serving.properties": "option.batch_size=4\n", "request.json": '{"text": ["a"]}'},
        "djl-0.25",
    ),
    "R004 a name in a variable": ("R004", called("$MODEL"), "djl-0.25"),
    "R004 the name of the mount": (
        "R004",
        called("chat", **{"run.sh": f"docker run -v $PWD:/opt/ml/model/chat {IMAGE}\n"}),
        "djl-0.25",
    ),
    "R004 the folder as the store": ("R004", called("model", **{"run.sh": f"docker run {RUN}\n"}), "djl-0.25"),
    "R004 names that the server is told": (
        "R004",
        called("chat", **{"run.sh": f"docker run {RUN} serve -m chat=/m\n"}),
        "djl-0.25",
    ),
    "R005 a header in one word": ("R005", called("m -sSd '{}' '-Hcontent-type: application/json'"), "djl-0.25"),
    "R005 JSON as curl knows it": ("R005", called("m --json '{}'"), "djl-0.25"),
    "R006 a family that ends its texts": (
        "R006",
        {
            "serving.properties": OPT.replace("facebook/opt-1.3b", "meta-llama/Llama-2-7b-hf"),
            "request.json": '{"inputs": ["a"], "parameters": {"max_new_tokens": 2048}}',
        },
        "djl-0.25",
    ),
    "S001 a device that is mapped to the first": (
        "S001",
        started(RUN.replace("neuron0", "neuron6:/dev/neuron0")),
        "djl-0.25",
    ),
    "S001 a container of something else": ("S001", started("--device /dev/neuron3 monitor:1"), "djl-0.25"),
    "S002 the cores that the degree needs": ("S002", started(RUN), "djl-0.25"),
    "S003 another container's port": ("S003", started("-p 80:80 nginx:1"), "djl-0.25"),
    "S003 another port of the server's": ("S003", started(RUN.replace("127.0.0.1:8080:8080", "9000:9000")), "djl-0.25"),
    "S003 management where nobody is": (
        "S003",
        started(f"-e SERVING_MANAGEMENT_ADDRESS=http://0.0.0.0:8081 {RUN.replace('127.0.0.1:', '')}"),
        "djl-0.25",
    ),
    "S003 a port of compose, written long": ("S003", {"serving.properties": OPT, "compose.yaml": COMPOSE}, "djl-0.25"),
    "S004 a release that looks at the devices": ("S004", started(RUN), "djl-0.25"),
    "S004 a container of something else": ("S004", started("nginx:1", base=OLD), "seed-0.21"),
    "S005 a mount of compose, written long": ("S005", {"serving.properties": OPT, "compose.yaml": COMPOSE}, "djl-0.25"),
    "S005 a store that the server is told": (
        "S005",
        started(f"-v $PWD:/models {IMAGE} djl-serving -s /models"),
        "djl-0.25",
    ),
    "S006 another patch of the release": (
        "S006",
        started(RUN.replace("0.25.0-pytorch-inf2", "0.25.1-pytorch-inf2")),
        "djl-0.25",
    ),
    "W001 a flag of every release": ("W001", launched("--max-num-seqs 4"), "djl-0.25"),
    "W002 another setting with hyphens": ("W002", launched("""--additional-config '{"some-thing": 1}'"""), "djl-0.25"),
    "W003 no settings": ("W003", launched("--additional-config '{}'"), "djl-0.25"),
    "W004 more blocks than are needed": (
        "W004",
        launched("--max-num-seqs 2 --max-model-len 100 --block-size 32 --num-gpu-blocks-override 9"),
        "djl-0.25",
    ),
    "W005 a container of DJLServing": ("W005", started(RUN), "djl-0.25"),
    "W006 a degree that is listed and fits": ("W006", launched("--tensor-parallel-size 1"), "djl-0.25"),
    "W007 words of vLLM's own": ("W007", launched("--dtype auto --quantization fp8"), "djl-0.25"),
    "W008 a container of DJLServing": ("W008", started(RUN), "djl-0.25"),
    "W009 vLLM's own port": (
        "W009",
        launched("") | {"run.sh": launched("")["run.sh"].replace(" --port 8080", "").replace("8080", "8000")},
        "djl-0.25",
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_a_rule_is_silent_about_what_works(name: str, lint_files: Lint) -> None:
    rule, files, profile = SILENT[name]
    assert name.startswith(rule)
    found = lint_files(files, profile, "inf2.24xlarge", "m").findings
    assert [str(f) for f in found if f.rule == rule] == []


@pytest.mark.parametrize(
    ("folder", "model"),
    [
        ("llama2-7b", "meta-llama/Llama-2-7b-hf"),
        ("opt-1_3b", "facebook/opt-1.3b"),
        ("bloom-7b1", "bigscience/bloom-7b1"),
    ],
)
def test_a_folder_that_is_named_after_its_model_is_not_unlike_it(folder: str, model: str, lint_files: Lint) -> None:
    found = lint_files(OPT.replace("facebook/opt-1.3b", model), name=folder).findings
    assert [str(f) for f in found if f.rule == "I001"] == []


def test_a_request_to_the_model_beside_is_judged_with_that_one(write: Write) -> None:
    files = called(f"other {JSON} -d '{{\"text\": []}}'")
    folder = write(files, "m")
    assert {"R002", "R004"} <= {f.rule for f in lint(folder).findings}
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "model.py").write_text(HANDLE)
    assert not [str(f) for f in lint(folder).findings if f.rule.startswith("R")]


def test_a_store_that_cannot_be_listed_has_no_other_model(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(called(f"other {JSON} -d '{{\"inputs\": []}}'"), "m")
    listed = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path == folder.parent:
            raise PermissionError(path)
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert "R004" in {f.rule for f in lint(folder).findings}


def test_every_rule_says_what_it_is_silent_about() -> None:
    assert {rule for rule, _, _ in SILENT.values()} == RULES.keys()
