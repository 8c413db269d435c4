"""Which process owns which NeuronCores: a core belongs to one process until that ends.

One file stands for the emulated instance, and a record in it for each core. Whoever owns a core has locked its record
and written its process id there. The kernel frees the lock when the process ends, however it ends, and gives no child
a share in it. So nothing is left to clean up, and nobody owns a core who does not run.

By the rules of the runtime (Neuron SDK 2.10 and 2.33, runtime configuration): all visible cores are reserved when it
begins, whatever the model then uses; of NEURON_RT_NUM_CORES it finds the first that are free.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import time
from pathlib import Path
from typing import NoReturn

from emulated_neuron.environment import Environment, RehearsalSettingError

logger = logging.getLogger("transformers_neuronx")

RECORD = 16  # bytes of a core in the file: a process id in digits, and the line's end
PATIENCE_S = 2.0  # a killed process holds its cores for a moment after it was seen to end


def own_cores(environment: Environment) -> range:
    """Reserve the cores that this process may use, and return them; raises RuntimeError in the runtime's words."""
    file, first = _open(environment.instance), environment.first_core
    deadline = time.monotonic() + PATIENCE_S
    while True:
        for cores in environment.choices:
            if _lock(file, range(first + cores.start, first + cores.stop)):
                return cores
        if time.monotonic() > deadline:
            _refuse(file, environment)
        time.sleep(0.05)


@functools.cache  # once a process: closing a file gives back all that was locked through it
def _open(instance: Path) -> int:
    try:
        return os.open(instance, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        rule = "name a file that this process may write; it stands for the emulated instance"
        raise RehearsalSettingError(f"REHEARSAL_INSTANCE={str(instance)!r}: {error.strerror}: {rule}") from error


def _lock(file: int, cores: range) -> bool:
    """Lock all of these records or none, and sign them."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, len(cores) * RECORD, cores.start * RECORD)
    except (BlockingIOError, PermissionError):  # which of the two, the system chooses
        return False
    for core in cores:
        os.pwrite(file, f"{os.getpid():>{RECORD - 1}}\n".encode(), core * RECORD)
    return True


def _owner(file: int, core: int) -> int:
    """Return the process that owns a core, 0 where nobody does or this process itself."""
    signed = os.pread(file, RECORD, core * RECORD).strip(b"\0\n ")
    owner = int(signed or 0)
    if owner == os.getpid():
        return 0
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, RECORD, core * RECORD)
    except (BlockingIOError, PermissionError):
        return owner
    fcntl.lockf(file, fcntl.LOCK_UN, RECORD, core * RECORD)
    return 0


def _refuse(file: int, environment: Environment) -> NoReturn:
    visible = environment.visible
    asked = range(environment.cores) if environment.anywhere else visible
    owners = {core: _owner(file, environment.first_core + core) for core in asked}
    requested = f"{len(visible)}" if environment.anywhere else f"nc{visible.start}-nc{visible.stop - 1}"
    free = sum(not owner for owner in owners.values())
    numbers = f"Requested:{requested} Available:{free}"
    logger.error("NRT:nrt_allocate_neuron_cores               NeuronCore(s) not available - %s", numbers)
    holders = ", ".join(f"process {owner}" for owner in sorted({*owners.values()} - {0})) or "another process"
    raise RuntimeError(
        f"The PyTorch Neuron Runtime could not be initialized. NeuronCore(s) not available - {numbers}: "
        f"they belong to {holders}. "
        "A NeuronCore belongs to one process until that ends: stop it, or give this one other cores"
    )
