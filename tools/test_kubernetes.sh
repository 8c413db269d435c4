#!/bin/sh
# Builds the control plane where it is not built yet, then runs tests/kubernetes: as root in a network of its own, where
# nothing but loopback exists; else on this machine's loopback.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/python tests/support/build_control_plane.py
export TEST_KUBERNETES=1
set -- .venv/bin/python -m pytest tests/kubernetes -s --timeout 300 "$@"
if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
    alone='ip link set lo up; ip addr add 10.255.0.1/32 dev lo; ip route add default dev lo; exec "$@"'
    exec unshare -n sh -ec "$alone" sh "$@"
fi
exec "$@"
