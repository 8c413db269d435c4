"""A real DJLServing on this machine's processor, over the emulated chip: the rehearsal's folder, settings and logs.

It is the distribution that DJL_SERVING_HOME names (`bin/serving`, `lib/*.jar`; Java 11 or later), else the Docker image
that docker/djl-cpu.Dockerfile builds. Flags, variables and devices: the recorded contract of DJLServing 0.25 (sections
3, 6, 7); what `bin/serving` reads from the environment: serving/build.gradle (startScripts) of that release.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from inf2lab import paths
from inf2lab.errors import ServerError
from inf2lab.folder import INSIDE_PORT, MODEL_STORE, write_properties
from inf2lab.serving import docker, processes
from inf2lab.serving.local import LocalServer
from inf2lab.serving.state import instance_path
from inf2lab.weights import hub_home

JAVA_OPTIONS = "-Xmx1g -Xss2m -XX:+ExitOnOutOfMemoryError"  # the containers' own, less the gigabyte taken at once
# Where things lie in the image.
LIBRARY, HUB, RUN = "/opt/inf2lab/lib", "/opt/inf2lab/hub", "/opt/inf2lab/run"
INSTANCE = "/opt/inf2lab/instance"


class DistributionServer(LocalServer):
    """DJLServing's own JVM in place of the rehearsal server; found, looked at and stopped like it."""

    kind = "djl"

    @property
    def home(self) -> Path | None:
        """The unpacked distribution; None: the Docker image."""
        return paths.djl_serving_home()

    @property
    def image(self) -> str:
        """The image that docker/djl-cpu.Dockerfile builds for this DJL version."""
        return f"inf2lab-djl:{self.settings.stack.djl}"

    @property
    def container(self) -> str:
        """The container's name."""
        return f"inf2lab-djl-{self.settings.port}"

    @property
    def config_path(self) -> Path:
        """The config.properties that is written for it."""
        return self.log_folder / "config.properties"

    def command(self) -> list[str]:
        """Return the server's command line: `bin/serving`, or `docker run` in the foreground."""
        if self.home is not None:
            return [str(self.home / "bin" / "serving"), "-f", str(self.config_path)]
        return self._docker_run()

    def configuration(self) -> dict[str, str]:
        """Return config.properties: loopback, this folder as the one model, and NeuronCores that need not exist.

        `nc0;nc2` makes DJLServing place two workers and name their cores to them, without looking for a device.
        """
        host, port, store = "127.0.0.1", self.settings.port, str(self.folder.path)
        if self.home is None:  # inside the container; only loopback is published
            host, port, store = "0.0.0.0", INSIDE_PORT, MODEL_STORE
        address = f"http://{host}:{port}"
        degree = self.needs.degree
        return {
            "inference_address": address,
            "management_address": address,
            "model_store": store,
            "load_models": "ALL",
            "load_on_devices": ";".join(f"nc{copy * degree}" for copy in range(self.settings.copies)),
        }

    def environment(self) -> dict[str, str]:
        """Return the rehearsal's variables, with what DJLServing and its worker need to find the emulated chip."""
        library = str(paths.root() / "lib")
        inherited = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
        return {
            **super().environment(),
            **self._variables(str(self.log_folder), os.pathsep.join([*inherited, *_emulated_chip(library)])),
            "PYTHON_EXECUTABLE": sys.executable,
        }

    def listens(self, process: psutil.Process) -> bool:
        """Return whether the port is this server's: a container's is held by Docker's own process."""
        return self.home is None or super().listens(process)

    def stop(self, *, patience_s: float = 10) -> bool:
        """Stop it and its workers, also those in a container whose `docker run` had to be killed."""
        process = self.process()
        in_docker = process is not None and process.name() == "docker"
        stopped = super().stop(patience_s=patience_s)
        if in_docker:
            docker.remove(self.container, patience_s=patience_s)
        return stopped

    def check(self) -> None:
        """Raise FolderError or ServerError if the folder, the distribution or Java is not there."""
        super().check()
        version, home = self.settings.stack.djl, self.home
        if home is None:
            if shutil.which("docker") is None:
                raise ServerError(
                    f"no DJLServing is here: set DJL_SERVING_HOME to an unpacked DJLServing {version}, or install "
                    "Docker and build docker/djl-cpu.Dockerfile (CONTRIBUTING.md says how)"
                )
            return
        if not (home / "bin" / "serving").is_file():
            remedy = f"unpack DJLServing {version} and name its folder (CONTRIBUTING.md says how)"
            raise ServerError(f"DJL_SERVING_HOME={home}: no bin/serving there; {remedy}")
        jars = sorted(jar.name for jar in home.glob("lib/serving-*.jar"))
        if f"serving-{version}.jar" not in jars:
            raise ServerError(
                f"DJL_SERVING_HOME={home}: holds {', '.join(jars) or 'no serving-*.jar'}, and profile "
                f"{self.settings.stack.name} is DJLServing {version}: name that version's folder, or another profile"
            )
        if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
            raise ServerError("DJLServing needs Java, and there is none: install 11 or later, or set JAVA_HOME")

    def provide(self) -> None:
        """Have the image, or raise ServerError with the command that builds it; a distribution brings all it needs."""
        if self.home is None and not docker.has_image(self.image):
            build = f"docker build -t {self.image} -f docker/djl-cpu.Dockerfile ."
            raise ServerError(f"Docker has no image {self.image}: build it with `{build}` in the repository")

    def _make_log_folder(self) -> None:
        super()._make_log_folder()
        write_properties(self.config_path, self.configuration())

    def scratch_variables(self, scratch: str) -> dict[str, str]:
        """Return the same for Java too."""
        # Java takes no notice of TMPDIR. A fresh cache, because DJLServing never unpacks its worker over an old one.
        own = {"JAVA_OPTS": f"{JAVA_OPTIONS} -Djava.io.tmpdir={scratch}", "DJL_CACHE_DIR": scratch}
        return super().scratch_variables(scratch) | own

    def _variables(self, model_server_home: str, pythonpath: str) -> dict[str, str]:
        return {
            "MODEL_SERVER_HOME": model_server_home,  # its logs/ are written there
            "OMP_NUM_THREADS": str(os.cpu_count() or 1),  # bin/serving would say 1, meant for many workers
            "OPT_OUT_TRACKING": "true",
            "PYTHONPATH": pythonpath,
            "REHEARSAL_NEURON_CORES": str(self.settings.hardware.cores - self.settings.first_core),
        }

    def _docker_run(self) -> list[str]:
        instance = instance_path(self.settings)
        mounts: Mapping[str, Path] = {
            f"{MODEL_STORE}/{self.folder.path.name}:ro": self.folder.path,
            f"{LIBRARY}:ro": paths.root() / "lib",
            HUB: hub_home(),
            RUN: self.log_folder,
            INSTANCE: instance.parent,
        }
        inside = {
            **super().environment(),
            **self._variables(RUN, ":".join(_emulated_chip(LIBRARY))),
            "DJL_CACHE_DIR": "/tmp/djl",
            "HF_HOME": HUB,
            "HOME": "/tmp",  # the user has none there
            "JAVA_OPTS": JAVA_OPTIONS,
            "REHEARSAL_INSTANCE": f"{INSTANCE}/{instance.name}",
        }
        del inside[processes.MARK]  # what runs in a container is not found by it
        return [
            *("docker", "run", "--rm", "--init", "--name", self.container),
            *("--label", f"{docker.OWNER}={processes.owner()}"),
            *("--user", f"{os.getuid()}:{os.getgid()}"),  # else its logs would belong to root
            *("-p", f"127.0.0.1:{self.settings.port}:{INSIDE_PORT}"),
            *(word for where, path in mounts.items() for word in ("-v", f"{path}:{where}")),
            *(word for name, value in inside.items() for word in ("-e", f"{name}={value}")),
            *(self.image, "-f", f"{RUN}/{self.config_path.name}"),
        ]


def _emulated_chip(library: str) -> tuple[str, str]:
    """Return what a worker must have on its PYTHONPATH: transformers_neuronx as played here, and the chip's rules."""
    return f"{library}/rehearsal/neuron", library
