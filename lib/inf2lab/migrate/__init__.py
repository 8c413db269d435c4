"""Where next: a model folder on the servers that came after, key by key, with the files that start them.

made = migrate("models/opt13b", to="vllm-nxdi", files=["ask.sh"])
compare(made)
"""

from typing import TYPE_CHECKING

from inf2lab.faces import on_demand

if TYPE_CHECKING:
    from inf2lab.migrate.migration import Migration, migrate
    from inf2lab.migrate.report import lines, verdict_line
    from inf2lab.migrate.side_by_side import Compared, compare, comparison

__all__ = ["Compared", "Migration", "compare", "comparison", "lines", "migrate", "verdict_line"]

# A comparison starts two servers, and what only translates needs no package for that.
__getattr__ = on_demand(__name__)
