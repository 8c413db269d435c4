"""What AWS refuses, as one tree, and the one table that translates its error codes.

CloudError            base; says which call, what AWS answered and what to do
├── NoAccess          nobody to ask as: credentials are missing, wrong or expired
├── NotAllowed        this identity lacks a permission
├── QuotaTooSmall     the account may not run that many vCPUs
├── NoCapacity        the zone or region has no such instance free, or takes it back
├── NoImage           the machine image is not there
├── WrongRegion       the region does not offer the instance, or does not answer
├── ClockSkew         this machine's clock is too far off for signed requests
├── Throttled         too many requests, after all retries
├── Protected         somebody has forbidden to terminate it
├── StillInUse        something else holds on to it
├── NotThere          it does not exist, or not yet, or not any more
├── ModelFailed       an endpoint's model answered with an error
├── NoWayIn           this machine lacks a program without which nobody gets into the instance
├── BootFailed        the instance runs, and its first boot went wrong or takes too long
├── RunOnRecord       an earlier run was not swept yet
└── LaunchFailed      a launch stopped half-way and was undone
"""

import re
from dataclasses import dataclass

from inf2lab.errors import LabError


class CloudError(LabError):
    """A call that AWS did not answer as asked: the `call`, its error `code`, AWS's `message`, and the `remedy`."""

    def __init__(self, call: str, code: str, message: str, remedy: str) -> None:
        super().__init__(call, code, message, remedy)
        self.call, self.code, self.message, self.remedy = call, code, message, remedy

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"{self.call}: {self.code}{said}; {self.remedy}"


class NoAccess(CloudError):
    """Credentials are missing, wrong or expired."""


class NotAllowed(CloudError):
    """The identity may not make this call."""


class QuotaTooSmall(CloudError):
    """The account's vCPU quota is below what the instance needs."""


class NoCapacity(CloudError):
    """AWS has no such instance free."""


class NoImage(CloudError):
    """The machine image does not exist, or is hidden."""


class WrongRegion(CloudError):
    """The region does not offer the instance, or there is no such region."""


class ClockSkew(CloudError):
    """This machine's clock differs from AWS's by more than a signature allows."""


class Throttled(CloudError):
    """AWS asked for fewer requests, and all retries are used up."""


class Protected(CloudError):
    """Termination protection is on."""


class StillInUse(CloudError):
    """Something else uses the resource."""


class NotThere(CloudError):
    """The resource does not exist (yet, or any more)."""


class ModelFailed(CloudError):
    """The model of a SageMaker endpoint answered with an error, or not in time."""


class NoWayIn(CloudError):
    """A program is missing here without which nobody gets into the instance."""


class BootFailed(CloudError):
    """An instance runs and bills, and its first boot went wrong, or was not heard of in time."""


class RunOnRecord(CloudError):
    """A run is on record that was not swept: a second bill would start."""


class LaunchFailed(CloudError):
    """A launch stopped half-way and was undone; `undone` says what is left, `__cause__` why it stopped."""

    def __init__(self, call: str, code: str, message: str, remedy: str, undone: str) -> None:
        super().__init__(call, code, message, remedy)
        self.args = (call, code, message, remedy, undone)
        self.undone = undone

    def __str__(self) -> str:
        return f"{super().__str__()}. {self.undone}"


@dataclass(frozen=True)
class Rule:
    """Error codes of one meaning, as a pattern, and what a person does about them."""

    pattern: str
    kind: type[CloudError]
    remedy: str


SIGN_IN = "sign in again (`aws login`, `aws sso login`, or new keys with `aws configure`)"
REPEAT = f"{SIGN_IN}, then repeat: this call changed nothing"

# The first match counts. Codes: EC2 API error codes and botocore's service models (1.44.5).
RULES = (
    Rule(
        r"RequestExpired|RequestTimeTooSkewed|RequestInTheFuture|SignatureDoesNotMatch|InvalidSignatureException",
        ClockSkew,
        "a signature is good for 5 minutes: set this machine's clock (`timedatectl set-ntp true`); if the clock is "
        "right, the secret key is wrong",
    ),
    Rule(
        r"ExpiredToken(Exception)?|InvalidClientTokenId|UnrecognizedClientException|AuthFailure|MissingAuthenticationToken"
        r"|InvalidAccessKeyId|IncompleteSignature",
        NoAccess,
        REPEAT,
    ),
    Rule(
        r"UnauthorizedOperation|AccessDenied(Exception)?|NotAuthorized|OptInRequired|403",
        NotAllowed,
        "ask the account's administrator for this permission; deploy/cloudformation/README.md lists all that are used",
    ),
    Rule(
        r"Client\.InternalError",  # of an instance that ends while it starts (AWS re:Post, kms-iam-ec2-permission)
        NotAllowed,
        "the account encrypts disks with a key of its own, which you may not use for this instance: its administrator "
        "allows kms:CreateGrant on that key (`aws ec2 get-ebs-default-kms-key-id` names it)",
    ),
    Rule(
        r"VcpuLimitExceeded|InstanceLimitExceeded|MaxSpotInstanceCountExceeded|SpotMaxPriceTooLow",
        QuotaTooSmall,
        "retrying does not help: request the quota of notebook 01 for this region (a day or two), or take a smaller "
        "instance: inf2.xlarge needs 4 vCPUs",
    ),
    Rule(
        r"ResourceLimitExceeded|ServiceQuotaExceededException|LimitExceeded(Exception)?"
        r"|(Volume|MaxIOPS|SecurityGroup|NetworkInterface|RulesPerSecurityGroup)LimitExceeded",
        QuotaTooSmall,
        "retrying does not help: the message names the quota (SageMaker has its own, for each size); request it in "
        "Service Quotas",
    ),
    Rule(
        r"InsufficientInstanceCapacity|InsufficientHostCapacity|Unsupported"
        r"|SpotInstanceTermination|InsufficientFreeAddressesInSubnet",
        NoCapacity,
        "try another region, a smaller size, or later; the quota is not the reason",
    ),
    Rule(r"InvalidAMIID\.\w+", NoImage, "leave the image out to have one looked up, or name one of this region"),
    Rule(
        r"Throttling(Exception)?|ThrottledException|RequestLimitExceeded|TooManyRequestsException|RequestThrottled",
        Throttled,
        "wait a minute and repeat; nothing is lost",
    ),
    Rule(
        r"OperationNotPermitted",
        Protected,
        "termination protection is on: take it off if that was not on purpose (`aws ec2 modify-instance-attribute "
        "--no-disable-api-termination --instance-id ...`), then sweep again",
    ),
    Rule(
        r"VolumeInUse|DependencyViolation|InvalidGroup\.InUse|DeleteConflict(Exception)?|InvalidSnapshot\.InUse"
        r"|InvalidIPAddress\.InUse",
        StillInUse,
        "something else holds on to it: detach it there, then sweep again",
    ),
    Rule(
        r"\w+(\.\w+)*\.NotFound|NoSuchEntity(Exception)?|ResourceNotFoundException|ParameterNotFound|NoSuchResourceException"
        r"|ObjectNotFoundException|NoSuchKey|NoSuchBucket|404"
        r"|InvalidVolumeID\.\w+|InvalidInstanceID\.\w+",
        NotThere,
        "look with `inf2lab sweep` what there is",
    ),
    Rule(
        r"Model(Error|StreamError|NotReadyException)",
        ModelFailed,
        "the model's own answer is in this message; its log is in CloudWatch, /aws/sagemaker/Endpoints/NAME",
    ),
    Rule(
        r"VPCIdNotSpecified|MissingInput|DefaultVpcDoesNotExist",
        WrongRegion,
        "the region has no default network: make one (`aws ec2 create-default-vpc`), or choose another region",
    ),
)
OTHER = "see the service's own page of error codes"


def error_for(call: str, code: str, message: str) -> CloudError:
    """Return the error that AWS's `code` means; CloudError itself for a code that no rule knows.

    What an instance's state says has `Client.` or `Server.` before it, for whose fault it is.
    """
    message = re.sub(r"\s*Encoded authorization failure message:.*", "", message, flags=re.DOTALL).strip()
    bare = re.sub(r"^(Client|Server)\.", "", code)
    for rule in RULES:
        if re.fullmatch(rule.pattern, code) or re.fullmatch(rule.pattern, bare):
            return rule.kind(call, code, message.rstrip("."), rule.remedy)
    return CloudError(call, code, message.rstrip("."), OTHER)
