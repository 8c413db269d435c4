"""inf2lab.aws's commands on an instance: what Session Manager is sent, and what becomes of each of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from inf2lab import aws

if TYPE_CHECKING:
    from conftest import PlayedAws

NODE, COMMAND = "i-0123456789abcdef0", "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
LOOK = {"CommandId": COMMAND, "InstanceId": NODE}
SENT = {
    "InstanceIds": [NODE],
    "DocumentName": "AWS-RunShellScript",
    "TimeoutSeconds": 60,
    "Parameters": {"commands": ["echo a=1"], "executionTimeout": ["120"]},
}


def seen(status: str, code: int = -1, output: str = "", errors: str = "") -> dict[str, Any]:
    """What GetCommandInvocation answers."""
    return {"Status": status, "ResponseCode": code, "StandardOutputContent": output, "StandardErrorContent": errors}


def run(played: PlayedAws, *answers: dict[str, Any] | str, cancelled: bool = False) -> aws.Ran:
    """Run a command whose looks get these answers, error codes among them."""
    here = played.cloud()
    with Stubber(here.client("ssm")) as stub:
        stub.add_response("send_command", {"Command": {"CommandId": COMMAND}}, SENT)
        for answer in answers:
            if isinstance(answer, str):
                stub.add_client_error("get_command_invocation", answer, expected_params=LOOK)
            else:
                stub.add_response("get_command_invocation", answer, LOOK)
        if cancelled:
            stub.add_response("cancel_command", {}, {"CommandId": COMMAND, "InstanceIds": [NODE]})
        try:
            return aws.run_command(here, NODE, "echo a=1", patience_s=120)
        finally:
            stub.assert_no_pending_responses()


def test_a_command_gives_its_code_and_what_it_printed(played: PlayedAws) -> None:
    ran = run(played, "InvocationDoesNotExist", seen("Pending"), seen("InProgress"), seen("Success", 0, "a=1\n"))
    assert (ran.ok, ran.output, ran.errors) == (True, "a=1\n", "")


def test_a_script_that_fails_is_an_answer_and_no_error(played: PlayedAws) -> None:
    ran = run(played, seen("Failed", 3, "", "no such image"))
    assert (ran.ok, ran.code, ran.errors) == (False, 3, "no such image")


@pytest.mark.parametrize("status", ["TimedOut", "Cancelled"])
def test_a_command_without_an_end_is_an_error_with_what_it_printed(status: str, played: PlayedAws) -> None:
    with pytest.raises(aws.CloudError, match=f"{status}.*still at it.*start-session"):
        run(played, seen(status, -1, "still at it"))


def test_a_command_that_goes_on_for_ever_is_cancelled(played: PlayedAws) -> None:
    with pytest.raises(aws.CloudError, match="InProgress"):
        run(played, *[seen("InProgress")] * 48, cancelled=True)


def test_without_permission_it_says_so(played: PlayedAws) -> None:
    played.fail("ssm.SendCommand", "AccessDeniedException")
    with pytest.raises(aws.NotAllowed, match="administrator"):
        aws.run_command(played.cloud(), NODE, "true", patience_s=10)
