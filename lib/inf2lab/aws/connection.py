"""The way to AWS: one object that makes every call, translates every error, and asks nobody in the rehearsal lane."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any

from inf2lab.aws.errors import REPEAT, ClockSkew, CloudError, NoAccess, WrongRegion, error_for
from inf2lab.aws.moments import Moment
from inf2lab.settings import Settings

ATTEMPTS = 5  # of one call, with pauses that grow, before it counts as throttled
READ_S = 90  # above an invocation's 60 s (API of InvokeEndpoint: at least 70 s): who gives up first asks again

CONFIGURED = "mend AWS's configuration on this machine (`aws configure list` shows it), then repeat: nothing was sent"

LAUNCHED_HERE = Path("/etc/inf2lab/run")  # written by the first boot of an instance of ours
CHIP = Path("/dev/neuron0")
ON_INSTANCE = "this machine is the instance"


@dataclass(frozen=True)
class Cloud:
    """A region as a notebook sees it; `session` is None where AWS may not be asked, and `why` says why not."""

    region: str
    session: Any = None
    account: str = ""
    ahead: timedelta = timedelta(0)  # AWS's clock minus this machine's
    pause: Callable[[float], None] = field(default=lambda seconds: time.sleep(seconds), repr=False)
    why: str = "rehearsal lane"
    clock: Callable[[], Moment] = field(default=lambda: Moment.now(UTC), repr=False)  # this machine's
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def live(self) -> bool:
        """Whether AWS may be asked."""
        return self.session is not None

    def __str__(self) -> str:
        if not self.live:
            return f"{self.why}: AWS is not asked; the catalog answers for {self.region}"
        return f"inf2 lane: account ...{self.account[-4:]}, region {self.region}"

    def now(self) -> Moment:
        """Return the time by AWS's clock, which is what schedules go by."""
        return (self.clock() + self.ahead).replace(microsecond=0)

    def client(self, service: str, region: str | None = None) -> Any:
        """Return boto3's client, made once for each service and region."""
        if not self.live:
            raise NoAccess(service, self.why, "AWS is not asked", "use lane='inf2', on your own machine")
        key = service, region or self.region
        if key not in self._clients:
            from botocore.config import Config

            config = Config(
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                connect_timeout=10,
                read_timeout=READ_S,
                user_agent_extra="inf2lab",
            )
            with _translating(f"{service} in {key[1]}"):
                self._clients[key] = self.session.client(service, region_name=key[1], config=config)
        return self._clients[key]

    def call(self, service: str, operation: str, *, region: str | None = None, **parameters: Any) -> Any:
        """Return AWS's answer to one call; raises CloudError, by its meaning, with what to do."""
        client = self.client(service, region)
        with _translating(f"{service} {operation}"):
            return getattr(client, operation)(**parameters)

    def pages(
        self, service: str, operation: str, key: str, *, region: str | None = None, **parameters: Any
    ) -> Iterator[Any]:
        """Yield the items under `key` of every page of an answer, or of the one that there is; raises CloudError."""
        client = self.client(service, region)
        with _translating(f"{service} {operation}"):
            if client.can_paginate(operation):
                answers = client.get_paginator(operation).paginate(**parameters)
            else:
                answers = [getattr(client, operation)(**parameters)]
            for answer in answers:
                yield from answer.get(key, ())

    def parts(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        """Yield the parts under `key` of a streamed answer as they come; raises CloudError."""
        client = self.client(service)
        with _translating(f"{service} {operation}"):
            yield from getattr(client, operation)(**parameters)[key]


def connect(settings: Settings, *, region: str, session: Any = None) -> Cloud:
    """Return the way to AWS in `region`, having asked who we are; in the rehearsal lane one that asks nobody.

    So does an instance, which has nothing to launch. Raises NoAccess, ClockSkew or WrongRegion.
    """
    if settings.lane != "inf2":
        return Cloud(region)
    if LAUNCHED_HERE.exists():
        return Cloud(region, why=ON_INSTANCE)
    try:
        return _asked(region, session)
    except NoAccess:
        if CHIP.exists():
            return Cloud(region, why=ON_INSTANCE)
        raise


def _asked(region: str, session: Any) -> Cloud:
    import boto3

    with _translating("credentials"):
        session = session or boto3.Session(region_name=region)
    answer = Cloud(region, session).call("sts", "get_caller_identity")
    theirs = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    ahead = theirs - datetime.now(UTC)
    if abs(ahead) < timedelta(seconds=5):  # the answer's own way, not a clock that is off
        ahead = timedelta(0)
    return Cloud(region, session, answer["Account"], ahead)


@cache
def input_shape(service: str, operation: str) -> Any:
    """Return what botocore's service model, a file on this disk, says of an operation's parameters."""
    import botocore.session
    from botocore import xform_name

    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name): name for name in model.operation_names}
    return model.operation_model(names[operation]).input_shape


def find_misfits(parameters: dict[str, Any], shape: Any) -> list[str]:
    """Return what botocore itself would say before it sends these parameters."""
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(parameters, shape)
    return report.generate_report().splitlines() if report.has_errors() else []


@contextmanager
def _translating(call: str) -> Iterator[None]:
    """Translate botocore's errors at this one boundary."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        said = error.response.get("Error", {})
        told = error_for(call, said.get("Code", "unknown"), said.get("Message") or "")
        raise _with_both_clocks(told, dict(error.response)) if isinstance(told, ClockSkew) else told from error
    except (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.CredentialRetrievalError,
        boto.TokenRetrievalError,
        boto.SSOError,
        boto.LoginError,
        boto.NoAuthTokenError,
        boto.ProfileNotFound,
        boto.RefreshWithMFAUnsupportedError,  # raised when temporary credentials end, not when they are got
    ) as error:
        remedy = f"{REPEAT}; without an account, stay in lane='rehearsal'"
        raise NoAccess(call, "no credentials", str(error).rstrip("."), remedy) from error
    except (
        boto.ConfigNotFound,
        boto.ConfigParseError,
        boto.InfiniteLoopConfigError,
        boto.InvalidConfigError,
        boto.MissingDependencyException,
        boto.UnknownCredentialError,
    ) as error:
        raise NoAccess(call, "no credentials", str(error).rstrip("."), CONFIGURED) from error
    except (boto.HTTPClientError, boto.InvalidRegionError, boto.UnknownEndpointError, ValueError) as error:
        remedy = "check the region's name and this machine's network"
        raise WrongRegion(call, "no answer", str(error).rstrip("."), remedy) from error
    except boto.BotoCoreError as error:
        sent = "AWS may have done it all the same: `inf2lab sweep` looks"
        unsent = isinstance(error, boto.ParamValidationError | boto.MissingParametersError)
        raise CloudError(call, type(error).__name__, str(error), "nothing was sent" if unsent else sent) from error


def _with_both_clocks(told: ClockSkew, response: dict[str, Any]) -> ClockSkew:
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if not date:
        return told
    off = round((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    return ClockSkew(told.call, told.code, f"AWS's clock is {off:+} s from this machine's", told.remedy)
