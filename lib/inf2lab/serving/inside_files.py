"""Files that vLLM's Python runs, not ours; whoever only names them needs no package for it."""

from pathlib import Path

INSIDE = Path(__file__).parent / "inside"


def bridge_file() -> Path:
    """Return the middleware by which vLLM takes the old requests: one file that needs nothing but Python."""
    return INSIDE / "bridge.py"
