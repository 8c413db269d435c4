"""model.py does not parse under the image's Python."""

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "syntax-of-a-later-python", Severity.ERROR
WHY = "The images run Python 3.8 up to 0.25.0, 3.9 up to 0.27.0 and 3.10 from then on; newer syntax ends the import."
CURE = "Write it in the syntax of the image's Python."
BAD = {"serving.properties": "engine=Python\n", "model.py": "def handle(inputs)\n    return None\n"}
GOOD = {"serving.properties": "engine=Python\n", "model.py": HANDLER}
EXPECT = ["model.py:1 Python 3.8 refuses this line: expected ':'"]


def check(folder: Folder) -> Hits:
    if folder.handler and folder.handler.error:
        line, message = folder.handler.error
        yield Hit(folder.handler.at(line), f"Python {folder.profile.python} refuses this line: {message}")
