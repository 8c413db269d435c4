"""A requirements.txt in the folder is installed from the network at every start."""

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.rules import Folder, Hit, Hits, Place, Severity

NAME, SEVERITY = "packages-installed-at-start", Severity.NOTE
WHY = (
    "The worker runs pip before it loads the model: a start depends on a package index, may change the "
    "pinned stack, and a failure is only a warning."
)
CURE = "Build the packages into an image of your own."
BAD = {"serving.properties": "engine=Python\n", "model.py": HANDLER, "requirements.txt": "requests\n"}
GOOD = {"serving.properties": "engine=Python\n", "model.py": HANDLER}
EXPECT = ["requirements.txt:1 installed with pip at every start of a worker"]


def check(folder: Folder) -> Hits:
    if any(line.strip() and not line.strip().startswith("#") for line in folder.requirements):
        yield Hit(Place("requirements.txt", 1), "installed with pip at every start of a worker")
