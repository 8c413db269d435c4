"""The way in: Session Manager forwards one port of the instance's loopback to this machine's."""

from __future__ import annotations

import shlex

from inf2lab import catalog
from inf2lab.errors import SettingsError


def tunnel_command(
    instance_id: str, region: str, *, port: int | None = None, local_port: int | None = None
) -> str:
    """Return the command that forwards Jupyter's port, to be typed on the laptop; raises SettingsError for others.

    The server's own ports stay on the instance: they ask for no password. (A notebook there reaches them.)
    It needs AWS's Session Manager plugin.
    """
    facts = catalog.cloud_facts()
    port = facts.jupyter_port if port is None else port
    if port != facts.jupyter_port:
        reason = (
            f"only Jupyter's port {facts.jupyter_port} is forwarded: it asks for a token, the others do not"
        )
        raise SettingsError("port", port, reason)
    parameters = f"portNumber={port},localPortNumber={local_port or port}"
    words = ["aws", "ssm", "start-session", "--region", region, "--target", instance_id]
    words += ["--document-name", facts.tunnel_document, "--parameters", parameters]
    return shlex.join(words)


def token_command(instance_id: str, region: str) -> str:
    """Return the command that shows Jupyter's token, which never leaves the instance otherwise."""
    words = ["aws", "ssm", "start-session", "--region", region, "--target", instance_id]
    words += ["--document-name", "AWS-StartInteractiveCommand"]
    return shlex.join([*words, "--parameters", "command=sudo cat /etc/inf2lab/jupyter-token"])
