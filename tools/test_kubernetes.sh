#!/bin/sh
# Builds the control plane where it is not built yet, then runs tests/kubernetes: as root in a network of its own, where
# nothing but loopback exists; else on this machine's loopback.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
"$python" tools/build_control_plane.py
export TEST_KUBERNETES=1
run="$python -m pytest tests/kubernetes -s --timeout 300 $*"
if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
    exec unshare -n sh -c "ip link set lo up && ip addr add 10.255.0.1/32 dev lo && ip route add default dev lo && exec $run"
fi
exec $run
