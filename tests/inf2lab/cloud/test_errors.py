"""The table of AWS's error codes: each means one thing, has a remedy, and survives a trip through pickle."""

from __future__ import annotations

import pickle

import pytest

from inf2lab import cloud
from inf2lab.cloud import _errors
from inf2lab.errors import LabError

CODES = {
    "VcpuLimitExceeded": cloud.QuotaTooSmall,
    "MaxSpotInstanceCountExceeded": cloud.QuotaTooSmall,
    "InsufficientInstanceCapacity": cloud.NoCapacity,
    "Unsupported": cloud.NoCapacity,
    "Server.InsufficientInstanceCapacity": cloud.NoCapacity,
    "InvalidAMIID.NotFound": cloud.NoImage,
    "InvalidAMIID.Unavailable": cloud.NoImage,
    "InvalidAMIID.Malformed": cloud.NoImage,
    "UnauthorizedOperation": cloud.NotAllowed,
    "AccessDenied": cloud.NotAllowed,
    "AccessDeniedException": cloud.NotAllowed,
    "ExpiredToken": cloud.NoAccess,
    "ExpiredTokenException": cloud.NoAccess,
    "AuthFailure": cloud.NoAccess,
    "InvalidClientTokenId": cloud.NoAccess,
    "RequestExpired": cloud.ClockSkew,
    "SignatureDoesNotMatch": cloud.ClockSkew,
    "InvalidSignatureException": cloud.ClockSkew,
    "RequestLimitExceeded": cloud.Throttled,
    "Throttling": cloud.Throttled,
    "ThrottlingException": cloud.Throttled,
    "OperationNotPermitted": cloud.Protected,
    "VolumeInUse": cloud.StillInUse,
    "DependencyViolation": cloud.StillInUse,
    "DeleteConflict": cloud.StillInUse,
    "InvalidInstanceID.NotFound": cloud.NotThere,
    "InvalidVolume.NotFound": cloud.NotThere,
    "InvalidGroup.NotFound": cloud.NotThere,
    "NoSuchEntity": cloud.NotThere,
    "ResourceNotFoundException": cloud.NotThere,
    "ParameterNotFound": cloud.NotThere,
    "404": cloud.NotThere,  # of a bucket: HEAD has no body
    "403": cloud.NotAllowed,
    "ResourceLimitExceeded": cloud.QuotaTooSmall,
    "ModelError": cloud.ModelFailed,
    "ModelStreamError": cloud.ModelFailed,
    "ModelNotReadyException": cloud.ModelFailed,
    "VPCIdNotSpecified": cloud.WrongRegion,
    "SomethingNew": cloud.CloudError,
}


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_a_code_means_one_thing(code: str, kind: type[cloud.CloudError]) -> None:
    error = _errors.error_for("ec2 run_instances", code, "What AWS says.")
    assert type(error) is kind
    assert isinstance(error, LabError)
    assert str(error) == f"ec2 run_instances: {code}: What AWS says; {error.remedy}"
    assert error.remedy
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (kind, str(error))


def test_the_cases_above_leave_no_rule_out() -> None:
    assert {rule.kind for rule in _errors.RULES} == set(CODES.values()) - {cloud.CloudError}


def test_a_failed_launch_survives_pickling() -> None:
    error = cloud.LaunchFailed("ec2 run_instances", "X", "said", "do this", "Nothing is left.")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "ec2 run_instances: X: said; do this. Nothing is left."


def test_the_tree_in_the_header_is_the_tree() -> None:
    for kind in vars(_errors).values():
        if isinstance(kind, type) and issubclass(kind, _errors.CloudError):
            assert kind.__name__ in _errors.__doc__
