"""What is served in a proof: the smallest model of the article's family, by DJL's own handler, on one chip."""

from pathlib import Path

from inf2lab.folder import ModelFolder, write_properties
from inf2lab.settings import Settings
from inf2lab.shapes import SHAPES, Ask

MODEL, NAME = "facebook/opt-1.3b", "opt1b3"
POSITIONS = 512  # three programs to compile, and not five
PROMPTS = ("Hello, my name is", "The largest city of Germany is")  # as many as the batch has rows


def write_folder(settings: Settings, store: Path) -> ModelFolder:
    """Write the model folder into a store, and return it."""
    stack, folder = settings.stack, ModelFolder(store / NAME)
    lines = {
        "engine": "Python",
        "option.entryPoint": stack.entry_point,
        "option.model_id": MODEL,
        "option.tensor_parallel_degree": 2,
        "option.batch_size": len(PROMPTS),
        "option.n_positions": POSITIONS,
        "option.dtype": stack.handler_dtype("f16"),
        "option.model_loading_timeout": 3600,
    }
    write_properties(folder.properties_path, lines)
    return folder


def ask_for(shape: str, tokens: int) -> object:
    """Return the body of a request for both prompts, in the shape of the folder's handler."""
    return SHAPES[shape].body(Ask(PROMPTS, 8, tokens, NAME))
