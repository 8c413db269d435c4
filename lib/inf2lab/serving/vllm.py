"""The real vLLM on this machine's processor, from a folder that `inf2lab migrate` wrote: the successor's rehearsal.

It is the release of the last image for Inf2, in an environment of its own (`make migrate-env`), because it needs other
releases of nearly everything than DJL's worker. Nothing of it leaves the machine: no statistics, no hub, no listener
beyond loopback. The bridge is before it, so that it takes the old requests too.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from inf2lab import paths
from inf2lab.errors import ServerError
from inf2lab.serving import processes
from inf2lab.serving.inside_files import INSIDE
from inf2lab.serving.interface import Worker
from inf2lab.serving.local import LocalServer
from inf2lab.serving.migrated import MigratedServer
from inf2lab.weights import worker_environment

# Words of a chip's launch that a processor refuses or has no use for, each with its value.
_CHIP_ONLY = {"--num-gpu-blocks-override", "--block-size", "--device", "--host", "--port", "--tensor-parallel-size"}
# vLLM's own, by which it stays on this machine.
QUIET = {
    "VLLM_NO_USAGE_STATS": "1",  # it would report what it runs on
    "DO_NOT_TRACK": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_HOST_IP": "127.0.0.1",  # else its processes meet on the machine's own address
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "TORCHDYNAMO_DISABLE": "1",  # compiling log probabilities takes 20 s, once
    "SPT_NOENV": "1",  # the engine's process keeps its environment, by which a lost one is found
    "PYTHONDONTWRITEBYTECODE": "1",
}


class VllmServer(MigratedServer, LocalServer):
    """`vllm serve` with the words of the chip's launch, less those that a processor does not take."""

    kind = "vllm"
    poll_s = 0.3  # it imports for a quarter of a minute

    def command(self) -> list[str]:
        """Return the command line that starts it."""
        here = [str(vllm_python().with_name("vllm")), "serve", *on_cpu(self.migrated.words)]
        return [*here, "--middleware", "bridge.Bridge", "--host", "127.0.0.1", "--port", str(self.settings.port)]

    def environment(self) -> dict[str, str]:
        """Return what keeps it to this machine, and what the bridge samples by."""
        bridge = {"PYTHONPATH": str(INSIDE), "BRIDGE_SAMPLING": json.dumps(self.migrated.sampling)}
        return QUIET | worker_environment() | bridge | {processes.MARK: processes.owner()}

    def scratch_variables(self, scratch: str) -> dict[str, str]:
        """Return what keeps vLLM's own files in `scratch`."""
        return {"TMPDIR": scratch, "VLLM_CACHE_ROOT": f"{scratch}/cache", "VLLM_CONFIG_ROOT": f"{scratch}/config"}

    def check(self) -> None:
        """Raise FolderError or ServerError if it cannot be started here."""
        target = self.migrated.target
        if not self.migrated.words:
            raise ServerError(f"{target} is not started by `vllm serve`: what stands for it here is --to vllm-nxdi")
        vllm_python()

    def provide(self) -> None:
        """Nothing: the environment has it all."""

    @property
    def played(self) -> str:
        """The model whose words are played."""
        return self.migrated.model_id

    def _answers(self) -> tuple[Worker, ...] | None:
        return (Worker("cpu", "READY"),) if self.is_healthy() else None


def vllm_python() -> Path:
    """Return the Python of vLLM's environment; raises ServerError where it was not made."""
    return paths.own_python("migrate", "vLLM", "Linux; up to 8 GB")


def on_cpu(words: Sequence[str]) -> list[str]:
    """Return a chip's words after `vllm serve` as a processor takes them: one copy, unsharded, not compiled."""
    kept: list[str] = []
    skip = False
    for word in words:
        name, stated, _ = word.partition("=")
        if skip or name in _CHIP_ONLY:
            skip = not skip and not stated
        else:
            kept.append(word)
    return [*kept, "--enforce-eager"]
