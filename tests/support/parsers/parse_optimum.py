"""What optimum-cli's own parser says of command lines: run by vLLM's Python, a JSON list of lists on standard input.

Prints a JSON list: null for what it takes, else its words. The words are those after `optimum-cli`. What the parser
does not know goes on to the parser of vLLM 0.11, which is not here: that is said, as if it were refused.
"""

import contextlib
import io
import json
import os
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(sys.prefix) / "optimum"))  # apart, for vLLM would take it for a plugin of its own
sys.modules["vllm"] = None  # type: ignore[assignment]  # 0.16 breaks its import; its parser asks nothing of vLLM
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
warnings.simplefilter("ignore")

from optimum.commands import optimum_cli


def objection(words: list[str]) -> str | None:
    """What the parser says against it."""
    said = io.StringIO()
    asked: list[list[str]] = []

    def instead(self: object) -> None:
        """In place of the server: the words that the parser does not know."""
        asked.append(getattr(self.args, "_unknown_args", []))  # type: ignore[attr-defined]

    from optimum.commands.neuron.serve import ServeCommand

    ServeCommand.run = instead
    sys.argv = ["optimum-cli", *words]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            optimum_cli.main()
    except SystemExit:
        return said.getvalue().strip().splitlines()[-1].partition("error: ")[2] or said.getvalue().strip()
    unknown = [word for word in (asked or [["no `neuron serve`"]])[0] if word.startswith("-")]
    return f"left to vLLM: {' '.join(unknown)}" if unknown else None


if __name__ == "__main__":
    answers = [objection(words) for words in json.load(sys.stdin)]
    print(json.dumps(answers), flush=True)
