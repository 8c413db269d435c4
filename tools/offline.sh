#!/bin/sh
# Runs a command with no network but loopback, where the kernel lets a user make a network of their own; else as it is.
# usage, in the repository's folder: tools/offline.sh COMMAND ARGUMENTS...
set -eu
if unshare --map-root-user --net true 2>/dev/null; then
    # SIOCSIFFLAGS: up and running, as `ip link set lo up` does where iproute2 is installed
    up='import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 65))'
    exec unshare --map-root-user --net sh -c '.venv/bin/python -c "$0" && exec "$@"' "$up" "$@"
fi
echo "this kernel lets no user make a network of their own: the network stays on" >&2
exec "$@"
