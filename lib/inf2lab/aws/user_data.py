"""The first boot's script: `user_data.sh` with a run's values; the CloudFormation template holds the same text."""

import re
from collections.abc import Mapping
from pathlib import Path

from inf2lab.errors import SettingsError

LARGEST_BYTES = 16 * 1024  # EC2's limit for user data
_SAFE = re.compile(r"[A-Za-z0-9_.:/@+~?=&%-]*")  # nothing that ends a quoted word


def template() -> str:
    """Return the script with its `${Name}` still in it."""
    return (Path(__file__).parent / "user_data.sh").read_text()


def user_data(values: Mapping[str, str]) -> str:
    """Return the script with Run, Deadline, User, Port, Instance, DriverBelow and Repository put in.

    Raises SettingsError on a value with a sign that a shell would read.
    """
    for name, value in values.items():
        if not _SAFE.fullmatch(value):
            raise SettingsError(name.lower(), value, "goes into a shell script: use letters, digits and _.:/@+~?=&%-")
    text = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], template())
    if len(text.encode()) > LARGEST_BYTES:
        raise SettingsError("repository", values["Repository"], f"makes user data larger than {LARGEST_BYTES} bytes")
    return text
