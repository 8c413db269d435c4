"""The table of AWS's error codes: each means one thing, has a remedy, and survives a trip through pickle."""

from __future__ import annotations

import pickle

import pytest

from inf2lab import aws
from inf2lab.aws import errors
from inf2lab.errors import LabError

CODES = {
    "VcpuLimitExceeded": aws.QuotaTooSmall,
    "MaxSpotInstanceCountExceeded": aws.QuotaTooSmall,
    "InsufficientInstanceCapacity": aws.NoCapacity,
    "Unsupported": aws.NoCapacity,
    "Server.InsufficientInstanceCapacity": aws.NoCapacity,
    "InvalidAMIID.NotFound": aws.NoImage,
    "InvalidAMIID.Unavailable": aws.NoImage,
    "InvalidAMIID.Malformed": aws.NoImage,
    "UnauthorizedOperation": aws.NotAllowed,
    "AccessDenied": aws.NotAllowed,
    "AccessDeniedException": aws.NotAllowed,
    "ExpiredToken": aws.NoAccess,
    "ExpiredTokenException": aws.NoAccess,
    "AuthFailure": aws.NoAccess,
    "InvalidClientTokenId": aws.NoAccess,
    "RequestExpired": aws.ClockSkew,
    "SignatureDoesNotMatch": aws.ClockSkew,
    "InvalidSignatureException": aws.ClockSkew,
    "RequestLimitExceeded": aws.Throttled,
    "Throttling": aws.Throttled,
    "ThrottlingException": aws.Throttled,
    "OperationNotPermitted": aws.Protected,
    "VolumeInUse": aws.StillInUse,
    "DependencyViolation": aws.StillInUse,
    "DeleteConflict": aws.StillInUse,
    "InvalidInstanceID.NotFound": aws.NotThere,
    "InvalidVolume.NotFound": aws.NotThere,
    "InvalidGroup.NotFound": aws.NotThere,
    "NoSuchEntity": aws.NotThere,
    "ResourceNotFoundException": aws.NotThere,
    "ParameterNotFound": aws.NotThere,
    "404": aws.NotThere,  # of a bucket: HEAD has no body
    "403": aws.NotAllowed,
    "ResourceLimitExceeded": aws.QuotaTooSmall,
    "ServiceQuotaExceededException": aws.QuotaTooSmall,  # of EventBridge's schedule groups
    "LimitExceeded": aws.QuotaTooSmall,  # of roles
    "VolumeLimitExceeded": aws.QuotaTooSmall,
    "Client.VolumeLimitExceeded": aws.QuotaTooSmall,  # as an instance's state says it
    "Server.SpotInstanceTermination": aws.NoCapacity,
    "Client.UnauthorizedOperation": aws.NotAllowed,
    "Client.InternalError": aws.NotAllowed,
    "Server.InternalError": aws.CloudError,
    "ModelError": aws.ModelFailed,
    "ModelStreamError": aws.ModelFailed,
    "ModelNotReadyException": aws.ModelFailed,
    "VPCIdNotSpecified": aws.WrongRegion,
    "SomethingNew": aws.CloudError,
}


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_a_code_means_one_thing(code: str, kind: type[aws.CloudError]) -> None:
    error = errors.error_for("ec2 run_instances", code, "What AWS says.")
    assert type(error) is kind
    assert isinstance(error, LabError)
    assert str(error) == f"ec2 run_instances: {code}: What AWS says; {error.remedy}"
    assert error.remedy
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (kind, str(error))


def test_the_cases_above_leave_no_rule_out() -> None:
    assert {rule.kind for rule in errors.RULES} == set(CODES.values()) - {aws.CloudError}


def test_a_failed_launch_survives_pickling() -> None:
    error = aws.LaunchFailed("ec2 run_instances", "X", "said", "do this", "Nothing is left.")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "ec2 run_instances: X: said; do this. Nothing is left."


def test_the_tree_in_the_header_is_the_tree() -> None:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.CloudError):
            assert kind.__name__ in errors.__doc__
