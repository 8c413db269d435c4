"""The built-in handler is not told which model to load."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "no-weights-named", Severity.WARNING
WHY = "Without `option.model_id` the handler looks for a checkpoint in the model folder itself, and there is none."
CURE = "Write `option.model_id`, or put config.json and the weights into the folder."
BAD = "option.entryPoint=djl_python.transformers_neuronx\noption.tensor_parallel_degree=2\n"
GOOD = OPT_1_3B
EXPECT = ["serving.properties:1 no `option.model_id`, and no config.json in the folder"]


def check(folder: Folder) -> Hits:
    given = folder.option("model_id") or folder.option("s3url") or "config.json" in folder.files
    if folder.built_in and not given:
        place = folder.entry_point or 1
        yield Hit(place, "no `option.model_id`, and no config.json in the folder")
