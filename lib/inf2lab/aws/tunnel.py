"""The way in: Session Manager forwards one port of the instance's loopback to this machine's."""

import shlex

from inf2lab import catalog
from inf2lab.errors import SettingsError


def tunnel_command(instance_id: str, region: str, *, port: int | None = None, local_port: int | None = None) -> str:
    """Return the command that forwards Jupyter's port, to be typed on the laptop; raises SettingsError for others.

    The server's own ports stay on the instance: they ask for no password. (A notebook there reaches them.)
    It needs AWS's Session Manager plugin.
    """
    facts = catalog.cloud_facts()
    port = facts.jupyter_port if port is None else port
    if port != facts.jupyter_port:
        reason = f"only Jupyter's port {facts.jupyter_port} is forwarded: it asks for a token, the others do not"
        raise SettingsError("port", port, reason)
    parameters = f"portNumber={port},localPortNumber={local_port or port}"
    return _session(instance_id, region, facts.tunnel_document, parameters)


def token_command(instance_id: str, region: str) -> str:
    """Return the command that shows Jupyter's token, which never leaves the instance otherwise."""
    command = "command=sudo cat /etc/inf2lab/jupyter-token"
    return _session(instance_id, region, "AWS-StartInteractiveCommand", command)


def _session(instance_id: str, region: str, document: str, parameters: str) -> str:
    """Return the command on three lines, as it can be pasted."""
    lines = (
        ("aws", "ssm", "start-session", "--region", region, "--target", instance_id),
        ("--document-name", document),
        ("--parameters", parameters),
    )
    return " \\\n    ".join(shlex.join(words) for words in lines)
