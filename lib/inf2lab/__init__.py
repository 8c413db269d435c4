"""What the notebooks import: parameters, plans, model folders, servers and a client.

from inf2lab import Endpoint, Server, Settings, plan

A name loads what it needs when it is first asked for: who lints or plans loads no server and needs no package for one.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from inf2lab import faces

if TYPE_CHECKING:
    from inf2lab.checks import check, expect_failure
    from inf2lab.endpoint import Endpoint
    from inf2lab.errors import LabError
    from inf2lab.folder import ModelFolder, read_properties, write_properties
    from inf2lab.lint import lint
    from inf2lab.migrate import migrate
    from inf2lab.paths import enter_repository
    from inf2lab.planning import article_rules, plan
    from inf2lab.predictions import reveal
    from inf2lab.serving import Server
    from inf2lab.settings import Settings

__all__ = [
    "Endpoint",
    "LabError",
    "ModelFolder",
    "Server",
    "Settings",
    "article_rules",
    "check",
    "enter_repository",
    "expect_failure",
    "lint",
    "migrate",
    "plan",
    "read_properties",
    "reveal",
    "write_properties",
]

__getattr__ = faces.on_demand(__name__)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Trap: `lint` is a room and a function, and so is `migrate`. Importing a room would set its name in its place.

    `import inf2lab.lint.target` and `from inf2lab.lint import RULES` find the room all the same.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name not in ("lint", "migrate"):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
