"""The way in: Session Manager forwards one port of the instance's loopback to this machine's."""

import shlex
import shutil

from inf2lab import catalog
from inf2lab.aws.errors import NoWayIn
from inf2lab.errors import SettingsError

PROGRAMS = {"aws": "the AWS command line, version 2", "session-manager-plugin": "the Session Manager plugin for it"}
REMEDY = "install it from AWS's own page, or launch from CloudShell, which has both: nothing was started"


def check_programs() -> None:
    """Raise NoWayIn if this machine lacks what the commands below need: an instance that nobody gets into bills too."""
    missing = [f"{name} ({what})" for name, what in PROGRAMS.items() if shutil.which(name) is None]
    if missing:
        raise NoWayIn("launch", "not on this machine", " and ".join(missing), REMEDY)


def fill_commands(instance_id: str, region: str, user: str) -> str:
    """Return the four lines that bring the repository onto an instance that has none, and start JupyterLab."""
    return "\n".join(
        (
            f"aws ssm start-session --region {region} --target {instance_id}",
            f"sudo -iu {user}",
            "git clone URL ~/inf2lab",
            "sudo systemctl start inf2lab-jupyter",
        )
    )


def tunnel_command(instance_id: str, region: str, *, port: int | None = None) -> str:
    """Return the command that forwards Jupyter's port, to be typed on the laptop; raises SettingsError for others.

    The server's own ports stay on the instance: they ask for no password. (A notebook there reaches them.)
    It needs AWS's Session Manager plugin.
    """
    facts = catalog.cloud_facts()
    port = facts.jupyter_port if port is None else port
    if port != facts.jupyter_port:
        reason = f"only Jupyter's port {facts.jupyter_port} is forwarded: it asks for a token, the others do not"
        raise SettingsError("port", port, reason)
    parameters = f"portNumber={port},localPortNumber={port}"
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
