"""What the notebooks import: parameters, plans, model folders, servers and a client.

from inf2lab import Endpoint, Server, Settings, plan

A name loads what it needs when it is first asked for: who lints or plans loads no server and needs no package for one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

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

__getattr__ = faces.on_demand(
    __name__,
    {
        "checks": ("check", "expect_failure"),
        "endpoint": ("Endpoint",),
        "errors": ("LabError",),
        "folder": ("ModelFolder", "read_properties", "write_properties"),
        "paths": ("enter_repository",),
        "planning": ("article_rules", "plan"),
        "predictions": ("reveal",),
        "serving": ("Server",),
        "settings": ("Settings",),
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Trap: `lint` is a room and a function, and so is `migrate`. Importing a room would set its name in its place."""

    @property
    def lint(self) -> Any:
        return import_module(f"{__name__}.lint").lint

    @lint.setter
    def lint(self, room: ModuleType) -> None:
        """Ignore the room; `import inf2lab.lint.target` and `from inf2lab.lint import RULES` find it all the same."""

    @property
    def migrate(self) -> Any:
        return import_module(f"{__name__}.migrate").migrate

    @migrate.setter
    def migrate(self, room: ModuleType) -> None:
        """Ignore the room, as above."""


sys.modules[__name__].__class__ = _Package
