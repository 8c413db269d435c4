"""What the notebooks import: parameters, plans, model folders, servers and a client.

from inf2lab import Endpoint, Server, Settings, plan
"""

from inf2lab.checks import check, expect_failure
from inf2lab.endpoint import Endpoint
from inf2lab.errors import LabError
from inf2lab.folder import ModelFolder, read_properties, write_properties
from inf2lab.lint import lint
from inf2lab.paths import enter_repository
from inf2lab.planning import article_rules, plan
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
    "plan",
    "read_properties",
    "write_properties",
]
