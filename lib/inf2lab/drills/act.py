"""Where a drill happens: a folder and a port of its own, a server on it, and nothing left when it is over."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psutil

from inf2lab import paths
from inf2lab.drills.drill import PATIENCE_S, Scene, Sighting, Unavailable, curl
from inf2lab.folder import ModelFolder, write_properties
from inf2lab.serving import RehearsalServer, Server, end_orphans, free_port, instance_path
from inf2lab.settings import Settings

NAME = "drill"


class Site:
    """A scene set up; use it with `with`, so that it is taken down whatever happens."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        port = free_port()
        self.settings = Settings(profile=scene.profile, instance=scene.instance, port=port, machine=f"drill{port}")

    def __enter__(self) -> Self:
        self._temporary = Path(tempfile.mkdtemp(prefix="inf2lab-")).resolve()
        self.folder = ModelFolder(self._temporary / NAME)
        self.server = RehearsalServer(self.settings, self.folder)
        try:
            self._write()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop(patience_s=5)
        end_orphans(patience_s=5)  # an interrupt between a process's start and its state file: found by its mark
        shutil.rmtree(self.server.log_folder, ignore_errors=True)
        instance_path(self.settings).unlink(missing_ok=True)
        shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def beside(self) -> Path:
        """A path outside of the model folder, which goes with the site."""
        return self._temporary / "beside"

    def start(self, *, wait: bool = True) -> None:
        """Start the server, unless it runs; raises LabError as Server.start does."""
        if not self.server.exists():
            Server.start(self.settings, self.folder.path, wait=wait, report=lambda line: None)

    def send(self, body: Any, *, until: str = "", model: str = "", content_type: str = "application/json") -> Sighting:
        """Send one request and return its answer and what the log gained, up to a line with the pattern `until`."""
        self.start()
        mark = self.server.log_size()
        endpoint = self.server.endpoint
        endpoint.model = model or endpoint.model
        answer = endpoint.send(body, content_type=content_type)
        return Sighting(curl(answer), self.server.log_since(mark, until))

    @contextmanager
    def second_server(self) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
        """Start one more server of this scene on the same port, as another clone or terminal might have.

        Yields its folder and its process. It stays in its load until the folder's file `hold` is gone; it prints into
        `console.log` there.
        """
        folder = self._temporary / "second"
        folder.mkdir()
        (folder / "hold").touch()  # what the small handler waits for to go away
        environment = {**os.environ, **self.server.environment(), "TMPDIR": str(folder)}
        with (folder / "console.log").open("wb") as log:
            process = subprocess.Popen(
                self.server.command(log_files=False),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield folder, process
        finally:
            process.kill()
            process.wait()

    def kill_server(self) -> None:
        """End the server's process as a restart of the machine does: what it wrote stays."""
        process = self.server.process()
        assert process is not None
        process.kill()
        psutil.wait_procs([process], timeout=PATIENCE_S)

    def _write(self) -> None:
        scene, folder = self.scene, self.folder
        properties = dict(scene.properties)
        folder.path.mkdir()
        if scene.shell:
            properties["option.pythonExecutable"] = str(self._confined(scene.shell))
        write_properties(folder.properties_path, properties)
        if scene.handler is not None:
            folder.handler_path.write_text(scene.handler, encoding="utf-8")
        for name in scene.weights:
            target = folder.path / "weights" / name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(paths.models() / "tiny-opt" / name, target)

    def _confined(self, shell: str) -> Path:
        """Write an interpreter that runs `shell` before Python, in a mount namespace that ends with the worker."""
        is_root = psutil.Process().uids().effective == 0
        unshare = ["unshare", "--mount", *([] if is_root else ["--map-root-user"])]
        if sys.platform != "linux" or shutil.which("unshare") is None:
            raise Unavailable("needs Linux with `unshare`, to mount a disk for one process")
        mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(self._temporary)]
        trial = subprocess.run([*unshare, *mount], capture_output=True, text=True, check=False)
        if trial.returncode:
            raise Unavailable(f"may not mount here: {trial.stderr.strip() or 'no reason was given'}")
        script = self._temporary / "python"
        inner = f'set -e\n{shell}\ncd "$PWD"\nexec {shlex.quote(sys.executable)} "$@"'
        script.write_text(f'#!/bin/sh\nexec {shlex.join(unshare)} sh -c {shlex.quote(inner)} sh "$@"\n')
        script.chmod(0o755)
        return script
