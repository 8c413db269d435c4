"""Workers on emulated NeuronCores: how the server numbers them, and that a core belongs to one worker."""

from __future__ import annotations

import re
import signal

import pytest

# Owns what it was given, as a model does when it is put on the chip.
OWNER = """
import os
from emulated_neuron.cores import own_cores
from emulated_neuron.environment import read_environment
def handle(inputs):
    if inputs.is_empty():
        own_cores(read_environment())
        return None
    return Output().add(os.environ["NEURON_RT_VISIBLE_CORES"])
"""
TWO = "engine=Python\noption.tensor_parallel_degree=2\n"
REFUSED = r"NeuronCore\(s\) not available - Requested:{} Available:{}"


def test_without_a_degree_each_worker_has_one_core(start, model, tmp_path):
    model(tmp_path / "s", "m", OWNER, "engine=Python\n")
    server = start(tmp_path / "s", "--neuron-cores", "3")
    lines = [line for line in server.log if "Connection Set NEURON_RT_VISIBLE_CORES=" in line]
    assert [line.rpartition("=")[2] for line in lines] == ["0", "1", "2"]


def test_two_workers_on_one_core_are_one_too_many(start, model, tmp_path):
    one_core = "engine=Python\noption.tensor_parallel_degree=1\nload_on_devices=nc0\nminWorkers=2\nmaxWorkers=2\n"
    model(tmp_path / "s", "m", OWNER, one_core)
    server = start(tmp_path / "s", "--neuron-cores", "2", wait=False)
    assert server.ended() == 1
    assert sum(line.endswith("Connection Set NEURON_RT_VISIBLE_CORES=0-0") for line in server.log) == 2
    server.wait_for(r"NRT:nrt_allocate_neuron_cores +" + REFUSED.format("nc0-nc0", 0))


@pytest.mark.thorough
def test_two_models_on_the_same_cores_are_one_too_many(start, model, tmp_path):
    model(tmp_path / "s", "first", OWNER, TWO)
    model(tmp_path / "s", "second", OWNER, TWO)
    server = start(tmp_path / "s", "--neuron-cores", "2", wait=False)
    assert server.ended() == 1
    server.wait_for(REFUSED.format("nc0-nc1", 0))


def test_servers_of_one_instance_share_its_cores_until_one_is_killed(start, model, tmp_path):
    shared = {"REHEARSAL_INSTANCE": str(tmp_path / "instance")}
    model(tmp_path / "s", "m", OWNER, TWO + "load_on_devices=nc0\n")
    model(tmp_path / "overlap", "m", OWNER, TWO + "load_on_devices=nc1\n")
    model(tmp_path / "beside", "m", OWNER, TWO + "load_on_devices=nc2\n")
    first = start(tmp_path / "s", "--neuron-cores", "4", env=shared)
    refused = start(tmp_path / "overlap", "--neuron-cores", "4", env=shared, wait=False)
    assert refused.ended() == 1
    assert re.search(REFUSED.format("nc1-nc2", 1) + r": they belong to process \d+", "\n".join(refused.log))
    beside = start(tmp_path / "beside", "--neuron-cores", "4", env=shared)
    assert beside.predict("m").body == b"2-3"
    first.stop(signal.SIGKILL)
    again = start(tmp_path / "s", "--neuron-cores", "4", env=shared)
    assert again.predict("m").body == b"0-1"


@pytest.mark.thorough
def test_servers_that_share_nothing_are_instances_of_their_own(start, model, tmp_path):
    model(tmp_path / "s", "m", OWNER, TWO)
    servers = [start(tmp_path / "s", "--neuron-cores", "2") for _ in range(2)]
    assert [server.predict("m").body for server in servers] == [b"0-1", b"0-1"]
