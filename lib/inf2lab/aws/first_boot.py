"""What a launch waits for once its instance runs: Session Manager's agent, and the first boot, told step by step."""

from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import SIGN_IN, BootFailed, CloudError, NoAccess, NotAllowed
from inf2lab.aws.kinds import list_instances
from inf2lab.aws.pacing import looks
from inf2lab.aws.runs import STATUS_TAG, Run
from inf2lab.words import Report, unfailing

BOOTED, INSTALLED, READY, FAILED = "booted", "installed", "ready", "failed"  # as user_data.sh writes them
SAID = {
    BOOTED: "booted: the driver is looked at, then git, make and Docker are installed",
    INSTALLED: "installed: driver and Docker are there",
    READY: "ready: JupyterLab answers",
}
PATIENCE_S = {INSTALLED: 1200, READY: 3600}  # apt's lock for 10 minutes, and `make setup` for 30
AGENT_S = 600
STEP_S = 10
LOG = "/var/log/inf2lab-first-boot.log"


def wait_until_booted(cloud: Cloud, run: Run, last: str, report: Report) -> None:
    """Return once Session Manager reaches the instance, and it says that it has come to `last`; raises BootFailed.

    Whatever ends the wait, the instance goes on, and that is said: it bills.
    """
    try:
        report(f"  {run.instance_id} runs; its first boot follows")
        _wait_for_agent(cloud, run, report)
        _wait_for_first_boot(cloud, run, last, report)
    except BootFailed:
        raise
    except (CloudError, OSError) as error:
        code = error.code if isinstance(error, CloudError) else type(error).__name__
        said = error.message if isinstance(error, CloudError) else str(error)
        words = f"nobody looks at {run.instance_id} any more: {said}"
        first = f"{SIGN_IN}: " if isinstance(error, NoAccess) else ""
        remedy = f"{first}its first boot goes on. {_remedy(run, 'shows how far it is')}"
        raise BootFailed("first boot", code, words, remedy) from error
    except BaseException:
        unfailing(report)(f"  {run.instance_id} and its first boot go on. {_end(run)}")
        raise


def _wait_for_first_boot(cloud: Cloud, run: Run, last: str, report: Report) -> None:
    """Return once the instance says that it has come to `last`, with a line for each step; raises BootFailed."""
    known = ""
    for _ in looks(cloud, PATIENCE_S[last], STEP_S, report, "first boot goes on"):
        status = _status(cloud, run)
        if status != known:
            report(f"  {SAID.get(status, status)}")
            known = status
        if status.startswith(FAILED):
            raise BootFailed("first boot", FAILED, status.removeprefix(f"{FAILED}: "), _remedy(run))
        if status in (last, READY):
            return
    said = f"{run.instance_id} is not {last} after {PATIENCE_S[last] // 60} minutes"
    raise BootFailed("first boot", known or "nothing heard", said, _remedy(run))


def _wait_for_agent(cloud: Cloud, run: Run, report: Report) -> None:
    """Return once Session Manager reaches the instance: there is no other way in. Raises BootFailed."""
    asked = {"Filters": [{"Key": "InstanceIds", "Values": [run.instance_id]}]}
    for _ in looks(cloud, AGENT_S, STEP_S, report, "Session Manager does not reach it yet"):
        try:
            rows = cloud.call("ssm", "describe_instance_information", region=run.region, **asked)
        except NotAllowed as error:
            report(f"  whether Session Manager reaches it is not known: {error.code}")
            return
        if any(row["PingStatus"] == "Online" for row in rows["InstanceInformationList"]):
            report("  Session Manager reaches it")
            return
    said = f"Session Manager did not reach {run.instance_id} in {AGENT_S // 60} minutes"
    remedy = "its subnet needs a public address, a NAT gateway or VPC endpoints (deploy/cloudformation/README.md)"
    raise BootFailed("first boot", "no agent", said, f"{remedy}. {_end(run)}")


def _status(cloud: Cloud, run: Run) -> str:
    """Return what the instance's tag says; raises BootFailed for one that has ended."""
    row = next(list_instances(cloud, run.region, [run.id], alive=True), None)
    if row is None:
        raise BootFailed("first boot", "ended", f"{run.instance_id} has ended by itself", "launch again")
    return next((tag["Value"] for tag in row.get("Tags", ()) if tag["Key"] == STATUS_TAG), "")


def _remedy(run: Run, log: str = "says why") -> str:
    way_in = f"aws ssm start-session --region {run.region} --target {run.instance_id}"
    return f"`{way_in}`, then `sudo less {LOG}` {log}. {_end(run)}"


def _end(run: Run) -> str:
    return f"It bills until {run.deadline}: `inf2lab sweep` ends it now"
