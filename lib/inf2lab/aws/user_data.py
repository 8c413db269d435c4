"""The first boot's script: `user_data.sh` with a run's values; the CloudFormation template holds the same text.

`keep.sh` comes into it where a bucket is named.
"""

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
    """Return the script with Run, Deadline, User, Port, Instance, DriverBelow, Repository, Bucket and Prefix put in.

    Raises SettingsError on a value with a sign that a shell would read.
    """
    for name, value in values.items():
        if not _SAFE.fullmatch(value):
            raise SettingsError(name.lower(), value, "goes into a shell script: use letters, digits and _.:/@+~?=&%-")
    keep = _fill(Path(__file__).with_name("keep.sh").read_text(), values) if values["Bucket"] else ""
    text = _fill(template(), {**values, "Keep": keep})
    if len(text.encode()) > LARGEST_BYTES:
        raise SettingsError("repository", values["Repository"], f"makes user data larger than {LARGEST_BYTES} bytes")
    return text


def _fill(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)
