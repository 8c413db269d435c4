"""Starts a server as a scenario had it: its store (put together where it is not shipped), settings and environment."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.golden.http import Record

ROOT = Path(__file__).resolve().parents[3]
# What a scenario was started with, where its records do not say.
ENVIRONMENT = {
    "dev-tp2-noomp": {"OMP_NUM_THREADS": ""},
    "env-omp2-default": {"OMP_NUM_THREADS": "2"},
    "dev-tp0-env-tp": {"TENSOR_PARALLEL_DEGREE": "2"},
    "dev-tp0-env-option": {"OPTION_TENSOR_PARALLEL_DEGREE": "4", "OPTION_MY_OPT": "z"},
}
WITHOUT = {"defentry-": ("torch", "transformers")}  # modules that the recording machine did not have
SINGLE = ("dev-", "defentry-")  # scenarios started with -m


class Launch:
    """The process of one scenario's server, and where its models lie."""

    def __init__(self, name: str, records: list[Record], golden: Path, work: Path) -> None:
        self.name, self.records, self.work = name, records, work
        self.models = work / "models"
        shutil.copytree(golden / "models", self.models)
        self._text = json.dumps(records)
        self._taken: socket.socket | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self) -> subprocess.Popen[str]:
        """The server, on a free port (or one that is taken, if that is the scenario)."""
        config = self.work / "config.properties"
        config.write_text(next((r["server_config"] for r in self.records if r["server_config"]), "") + "\n")
        command = [sys.executable, "-m", "rehearsal.server", "--strict", "on", "--allow-any-url"]
        command += ["-f", str(config), "--port", str(self.port), *self._what_to_load()]
        if self.name == "portinuse":
            self._taken = socket.create_server(("127.0.0.1", self.port))
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
        outside = ("SERVING_", "OPTION_", "MODEL_SERVER_")
        environ = {key: value for key, value in os.environ.items() if not key.startswith(outside)}
        environ |= {"PYTHONPATH": str(ROOT / "lib"), "OMP_NUM_THREADS": "1"}
        environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        for module in next((m for start, m in WITHOUT.items() if self.name.startswith(start)), ()):
            error = f"raise ModuleNotFoundError(\"No module named '{module}'\")\n"
            (self.work / f"{module}.py").write_text(error)
            environ["PYTHONPATH"] = f"{ROOT / 'lib'}{os.pathsep}{self.work}"
        return environ | ENVIRONMENT.get(self.name, {})

    def _what_to_load(self) -> list[str]:
        """The model store, or the single model, that the records show."""
        named = re.findall(r"Initializing model: (\w+)=file://", self._text)
        if not named and not self.name.startswith(SINGLE):
            return ["-s", str(self._store())]
        name = self.records[0]["model"] or named[0]
        shown = re.findall(r"file://\$\{MODELS\}/(\w+/[\w-]+)", self._text)
        folder = self.models / shown[0] if shown else next(self.models.glob(f"*/{name}"))
        return ["-m", f"{name}=file://{folder}"]

    def _store(self) -> Path:
        patterns = (
            r"Model Store: \$\{MODELS\}/(\w+)",
            r"file:\$\{MODELS\}/(\w+)/[\w-]+/",
            r"'\$\{MODELS\}/(\w+)/[\w-]+'",
        )
        shown = next((match[1] for pattern in patterns if (match := re.search(pattern, self._text))), None)
        guesses = [shown] if shown else []
        guesses += [self.name, *self.name.split("-", 1)[1:], self.name.split("-")[0]]
        for guess in guesses:
            if (self.models / guess).is_dir():
                return self.models / guess
        if shown == "emptystore":
            (self.models / shown).mkdir()
        names = self._names() or [name for name in [self.records[0]["model"]] if name]
        store = self.models / (shown or "doesnotexist")
        return self._assemble(store, names) if names else store

    def _names(self) -> list[str]:
        """The models that the scenario's first /ping or a description shows."""
        for record in self.records:
            if record["response"] and (record["request"] or {}).get("path") == "/ping":
                with contextlib.suppress(ValueError, TypeError):
                    return list(json.loads(record["response"]["body"]))
        return sorted(set(re.findall(r"file:\$\{MODELS\}/\w+/([\w-]+)/", self._text)))

    def _assemble(self, store: Path, names: list[str]) -> Path:
        """A store that was recorded on but is not shipped, from folders of the same names in others."""
        for name in names:
            same = [p for p in sorted(self.models.glob("*/*")) if p.name.replace("-", "_") == name]
            shutil.copytree(same[0], store / same[0].name, dirs_exist_ok=True)
            for record in self.records:
                if record["model"] == name and record["serving_properties"]:
                    text = record["serving_properties"]
                    (store / same[0].name / "serving.properties").write_text(text)
        return store
