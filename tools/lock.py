"""Writes constraints.txt: the exact version of all that requirements.txt pulls in, read from this environment.

Run it with the environment's own Python (`make lock`) after a change of requirements.txt has been installed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# What the packages of requirements.txt pull in, as installed when the tests passed. Written by `make lock`.
# torch's own platform packages (nvidia-*, triton) are left out: they follow torch's build, which differs by system.
"""
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;#]+)")
_PLATFORM = re.compile(r"^(?:nvidia-|triton$|pytorch-triton)")


def normal(name: str) -> str:
    """A package's name as every index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """The exact pins `name==version` of a requirements text, by normalised name; other lines are passed over."""
    found = (_PIN.match(line.strip()) for line in text.splitlines())
    return {normal(pin["name"]): pin["version"] for pin in found if pin}


def constraints(frozen: str, requirements: str) -> str:
    """The text of constraints.txt for an environment's `pip freeze` and the file it was installed from.

    A local version such as 2.7.1+cpu loses its suffix: another system installs another build of the same version.
    """
    direct = pins(requirements)
    lines = [
        f"{name}=={version.split('+')[0]}"
        for name, version in sorted(pins(frozen).items())
        if name not in direct and not _PLATFORM.match(name)
    ]
    return HEADER + "".join(f"{line}\n" for line in lines)


def main(arguments: list[str] | None = None) -> int:
    """Writes the file and says how many packages it holds; returns pip's exit code when pip fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "constraints.txt")
    options = parser.parse_args(arguments)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "freeze", "--exclude-editable"]
    freeze = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if freeze.returncode:
        return freeze.returncode
    text = constraints(freeze.stdout, (ROOT / "requirements.txt").read_text(encoding="utf-8"))
    options.out.write_text(text, encoding="utf-8")
    print(f"{options.out.name}: {len(pins(text))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
