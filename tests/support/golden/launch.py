"""Starts a server as a scenario had it: its store, settings and environment, as launches.json beside the records says.

A scenario's row holds `store` (a folder of models/) or `model` (one folder of a store), and where they apply: `files`
of a store that is put together, each with the file of models/ that it is; `environment`; `without_modules` (modules
that the recording machine did not have); `port_taken`; `signal`; `waits` (it takes a minute, or ends only after a
pause); and requests that came `before` a record and were not recorded. The records hold the configuration.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.golden.http import Record

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "rehearsal" / "server" / "golden"
Row = Mapping[str, Any]


def read_launches(golden: Path) -> dict[str, Row]:
    """Each scenario's row, completed with what all have; recordings without a launches.json are started as ours."""
    path = golden / "launches.json"
    told = json.loads((path if path.is_file() else GOLDEN / "launches.json").read_text(encoding="utf-8"))
    every = told["every"]
    return {
        name: {**every, **row, "environment": every["environment"] | row.get("environment", {})}
        for name, row in told["scenarios"].items()
    }


class Launch:
    """The process of one scenario's server, and where its models lie."""

    def __init__(self, row: Row, records: list[Record], golden: Path, work: Path) -> None:
        self.row, self.records, self.work = row, records, work
        self.models = work / "models"
        shutil.copytree(golden / "models", self.models)
        self._taken = socket.create_server(("127.0.0.1", 0)) if row.get("port_taken") else None

    def start(self) -> subprocess.Popen[str]:
        """The server, on a port that it takes itself (or on one that is taken, if that is the scenario)."""
        config = self.work / "config.properties"
        config.write_text(next((r["server_config"] for r in self.records if r["server_config"]), "") + "\n")
        port = self._taken.getsockname()[1] if self._taken else 0
        command = [sys.executable, "-m", "rehearsal.server", *self.row["arguments"]]
        command += ["-f", str(config), "--port", str(port), *self._what_to_load()]
        return subprocess.Popen(
            command,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self.work,
        )

    def close(self) -> None:
        """Frees the port that was taken."""
        if self._taken is not None:
            self._taken.close()

    def _environment(self) -> dict[str, str]:
        outside = (
            "SERVING_",
            "OPTION_",
            "MODEL_SERVER_",
            "OMP_WAIT_POLICY",
        )  # a handler of the recordings shows its own
        environ = {key: value for key, value in os.environ.items() if not key.startswith(outside)}
        environ |= {"PYTHONPATH": str(ROOT / "lib"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        for module in self.row.get("without_modules", ()):
            error = f"raise ModuleNotFoundError(\"No module named '{module}'\")\n"
            (self.work / f"{module}.py").write_text(error)
            environ["PYTHONPATH"] = f"{ROOT / 'lib'}{os.pathsep}{self.work}"
        return environ | self.row["environment"]

    def _what_to_load(self) -> list[str]:
        if "model" in self.row:
            folder = self.models / self.row["model"]
            return ["-m", f"{folder.name}=file://{folder}"]
        store = self.models / self.row["store"]
        if "files" in self.row:
            store.mkdir()
        for name, source in self.row.get("files", {}).items():
            (store / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(self.models / source, store / name)
        return ["-s", str(store)]
