"""Where next: a model folder on the servers that came after, key by key, with the files that start them.

made = migrate("models/opt13b", to="vllm-nxdi")
"""

from inf2lab.migrate.migration import Migration, migrate
from inf2lab.migrate.report import lines, verdict_line

__all__ = ["Migration", "lines", "migrate", "verdict_line"]
