"""Ports that nobody uses."""

import socket

from inf2lab.serving import ports


def test_a_free_port_is_another_one_each_time_and_below_those_of_clients() -> None:
    found = [ports.free_port() for _ in range(20)]
    assert len(set(found)) == 20
    assert all(20000 <= port < 30000 for port in found)


def test_a_port_that_somebody_bound_is_passed_over() -> None:
    next_one = ports.free_port() + 1
    with socket.create_server(("127.0.0.1", next_one)):
        assert ports.free_port() != next_one
