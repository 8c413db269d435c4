"""What the rules' examples share: the first lines of serving.properties, and the smallest model.py of a habit."""

from pathlib import Path

OPT_1_3B = "option.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-1.3b\n"
OPT_13B = "option.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-13b\n"
OLD_OPT_1_3B = "option.entryPoint=djl_python.transformer-neuronx\noption.model_id=facebook/opt-1.3b\n"  # up to 0.21
OLD_OPT_13B = "option.entryPoint=djl_python.transformer-neuronx\noption.model_id=facebook/opt-13b\n"


def served(
    properties: str = OPT_1_3B,
    *,
    network: str = "-p 127.0.0.1:8080:8080",
    devices: str = "--device /dev/neuron0",
    more: str = "-v $PWD:/opt/ml/model",
    tag: str = "0.25.0-pytorch-inf2",
) -> dict[str, str]:
    """A folder with a script that starts DJLServing's container, `more` and the image on its second line."""
    run = f"docker run {network} {devices} \\\n  {more} deepjavalibrary/djl-serving:{tag}\n"
    return {"serving.properties": properties, "run.sh": run}


def launched(words: str, more: str = "-e NEURON_COMPILED_ARTIFACTS=/artifacts") -> dict[str, str]:
    """A folder with a script that starts vLLM on one Neuron device, with these flags on its third line."""
    run = (
        f"docker run -p 127.0.0.1:8080:8080 --device=/dev/neuron0 {more} \\\n"
        "  neuron/pytorch-inference-vllm-neuronx:0.13.0-neuronx-py312-sdk2.28.0-ubuntu24.04 \\\n"
        f"  vllm serve meta-llama/Llama-3.1-8B --port 8080 {words}\n"
    )
    return {"serving.properties": OPT_1_3B, "run.sh": run}


def _read(handler: str) -> str:
    return (Path(__file__).parent / "handlers" / f"{handler}.py.txt").read_text(encoding="utf-8")


HANDLER = _read("plain")
HANDLER_OF_MODEL_ID = _read("of_model_id")
HANDLER_OF_ONE_MODEL = _read("of_one_model")
HANDLER_OF_DTYPE = _read("of_dtype")
HANDLER_OF_POSITIONS = _read("of_positions")
HANDLER_OF_TEXT = _read("of_text")
HANDLER_THAT_STACKS = _read("that_stacks")
HANDLER_THAT_SAMPLES = _read("that_samples")
HANDLER_THAT_SPLITS = _read("that_splits")
HANDLER_OF_CHECKPOINT = _read("of_checkpoint")
