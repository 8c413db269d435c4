"""Plays AWS on this machine, so that the inf2 lane of notebooks 01 and 99 can be run without an account.

    python tests/support/played_aws.py            prints the variables to set, then serves until it is stopped
    python tests/support/played_aws.py --port 0   on a free port

It is moto with the Neuron images and a first boot put in: an instance of a run says at once that it is ready, and
Session Manager reaches it. It knows no quota, capacity or price.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib.util
import json
import os
import re
import signal
import sys
import threading
import types
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import botocore.client
import botocore.hooks
import botocore.session
import botocore.useragent
from moto.core import base_backend, responses, serialize

from inf2lab import catalog
from inf2lab.aws.first_boot import READY
from inf2lab.aws.runs import RUN_TAG, STATUS_TAG

ACCOUNT = "123456789012"
REGION = "us-east-2"
# By family and SDK, with the day in the name. The newest one's driver refuses every container of the catalog.
IMAGES = {
    "ubuntu-24.04": {
        "ami-0ubuntu2026new": ("20260814", "2.32.0"),
        "ami-0ubuntu2026may": ("20260525", "2.30.0"),
        "ami-0ubuntu2026fit": ("20260120", "2.27.1"),
        "ami-0ubuntu2026old": ("20260115", "2.27.1"),
    },
    "amazon-linux-2023": {"ami-0amazon2026new": ("20260814", "2.32.0"), "ami-0amazon2026fit": ("20260120", "2.27.1")},
}
PROGRAMS = Path(__file__).with_name("played_programs")  # what a launch looks for on this machine
# What the command line and boto3 need to find it; the keys are moto's own examples.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # 1,300 images that nobody asks for take seconds to load
}
_FIND_NAMES = serialize.XFormedAttributePicker.get_possible_keys
_NAMES: dict[tuple[object, ...], tuple[str, ...]] = {}
# Host names that are not "service.region", by the service's name in a signature.
HOSTS = {"iam": "iam", "pricing": "api.pricing.{region}"}


def put_in(regions: list[str]) -> None:
    """Puts images, the first boot and Session Manager's policy into moto's state of this process."""
    _stand_in_for_a_validator()
    from moto.ec2.models import ec2_backends
    from moto.ec2.models.amis import Ami
    from moto.iam.models import AWSManagedPolicy, iam_backends

    play_first_boot()
    _share_what_never_changes()
    _find_offerings_once()
    _leave_out_what_nobody_reads()
    for region in regions:
        images = ec2_backends[ACCOUNT][region].amis
        for family, rows in IMAGES.items():
            entry = catalog.host_image(family)
            for image_id, (day, sdk) in rows.items():
                images[image_id] = Ami(
                    ec2_backends[ACCOUNT][region],
                    image_id,
                    name=entry.name_pattern.replace("*", f" {day}"),
                    description=f"Deep Learning Base AMI with Neuron SDK {sdk}",
                    owner_id="898082745236",
                    owner_alias="amazon",
                    public=True,
                    architecture="x86_64",
                    root_device_type="ebs",
                    root_device_name=entry.root_device,
                    creation_date=datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC),
                    region_name=region,
                )
    account = iam_backends[ACCOUNT]["aws"]
    policy = AWSManagedPolicy("AmazonSSMManagedInstanceCore", account_id=ACCOUNT, region="aws", path="/")
    account.managed_policies[policy.arn] = policy


@cache
def play_first_boot() -> None:
    """Has moto tag an instance of a run as its first boot would, and name every instance as Session Manager does."""
    from moto.ec2.models.instances import InstanceBackend
    from moto.ssm.responses import SimpleSystemManagerResponse

    start = InstanceBackend.run_instances

    def run_instances(self: Any, *args: Any, **options: Any) -> Any:
        made = start(self, *args, **options)
        for instance in made.instances:
            if any(tag["key"] == RUN_TAG for tag in instance.get_tags()):
                self.create_tags([instance.id], {STATUS_TAG: READY})
        return made

    def describe_instance_information(self: Any) -> str:
        asked = [row["Values"] for row in json.loads(self.body)["Filters"] if row["Key"] == "InstanceIds"]
        rows = [{"InstanceId": name, "PingStatus": "Online"} for names in asked for name in names]
        return json.dumps({"InstanceInformationList": rows})

    InstanceBackend.run_instances = run_instances
    SimpleSystemManagerResponse.describe_instance_information = describe_instance_information


def _stand_in_for_a_validator() -> None:
    """moto's CloudFormation imports API Gateway, and that a validator of OpenAPI documents, which nobody needs here."""
    package = "openapi_spec_validator"
    if package not in sys.modules and importlib.util.find_spec(package) is None:
        names = (package, f"{package}.validation", f"{package}.validation.exceptions")
        for name in names:
            sys.modules[name] = module = types.ModuleType(name)
            module.__path__ = []
            module.validate, module.OpenAPIValidationError = None, Exception


def _once(make: Callable[..., Any]) -> Callable[..., Any]:
    """A method that answers as the first object of its class did, for the same arguments."""
    made: dict[tuple[object, ...], Any] = {}

    def answer(self: object, *words: object) -> Any:
        if words not in made:
            made[words] = make(self, *words)
        return copy.copy(made[words]) if isinstance(made[words], dict) else made[words]

    return answer


@cache
def _share_what_never_changes() -> None:
    """Has boto read its files and make a service's methods once, and not for each session and client of a test."""
    for owner, names in {
        botocore.client.ClientCreator: ("_load_service_model", "_create_methods"),
        botocore.hooks.EventAliaser: ("_alias_event_name",),
    }.items():
        for name in names:
            setattr(owner, name, _once(vars(owner)[name]))
    botocore.session.create_loader = cache(botocore.session.create_loader)
    responses.method_names_from_class = cache(responses.method_names_from_class)
    serialize.XFormedAttributePicker.get_possible_keys = _names_of


@cache
def _leave_out_what_nobody_reads() -> None:
    """Nobody checks a signature here, reads a client's name or opens what a key has shut; a reset drops its state."""
    from moto.kms import models

    unsigned = {"canonical_request": lambda self, request: "", "signature": lambda self, text, request: "0" * 64}
    for name in ("v4", "s3v4"):
        kinds = botocore.auth.AUTH_TYPE_MAPS
        kinds[name] = type("Unsigned", (kinds[name],), unsigned)
    botocore.useragent.UserAgentString.to_string = lambda self: "inf2lab's tests"
    models.generate_private_key = cache(models.generate_private_key)
    base_backend.BaseBackend.reset = lambda self: None  # made anew, and dropped directly after


@cache
def _find_offerings_once() -> None:
    """Has moto look through its thousands of offered instances once for a question: they never change."""
    from moto.ec2.models.instance_types import InstanceTypeOfferingBackend as Backend

    found: dict[str, list[Any]] = {}
    look = Backend.describe_instance_type_offerings

    def describe(self: Any, location_type: str | None = None, filters: dict[str, Any] | None = None) -> list[Any]:
        asked = json.dumps([self.region_name, location_type, filters])
        if asked not in found:
            found[asked] = look(self, location_type, filters)
        return found[asked]

    Backend.describe_instance_type_offerings = describe


def _names_of(picker: serialize.AttributePicker, context: serialize.AttributePickerContext) -> tuple[str, ...]:
    """The names that an attribute of AWS may have in an object of moto, found once for a class and a shape."""
    shape = context.shape
    key = type(picker), type(context.obj), context.key, shape, getattr(shape, "parent", None)
    if key not in _NAMES:
        _NAMES[key] = tuple(dict.fromkeys(_FIND_NAMES(picker, context)))
    return _NAMES[key]


class SharedSession(boto3.Session):
    """A session that makes a client once for a service and region, whoever asks for it."""

    def __init__(self) -> None:
        super().__init__(region_name=REGION)
        self._made: dict[tuple[str, str], Any] = {}

    def client(self, service_name: str, region_name: str = REGION, **options: Any) -> Any:
        """The client, as whoever was first asked for it."""
        key = service_name, region_name
        if key not in self._made:
            self._made[key] = super().client(service_name, region_name=region_name, **options)
        return self._made[key]


@cache
def own_session() -> SharedSession:
    """The session of the tests, and of code that nothing is injected into: made once."""
    _share_what_never_changes()
    return SharedSession()


def own_client(service: str, region: str = REGION) -> Any:
    """A client of that session."""
    return own_session().client(service, region)


def new_session(region: str = REGION) -> boto3.Session:
    """A session with events of its own."""
    _share_what_never_changes()
    return boto3.Session(region_name=region, botocore_session=botocore.session.Session())


def stop_after(session: boto3.Session, number: int, error: type[BaseException] = KeyboardInterrupt) -> list[int]:
    """Raise after the `number`th call that changes something was answered; returns the count of them, as it goes."""
    made = [0]

    def count(model: Any, **event: Any) -> None:
        if not model.name.startswith(("Describe", "Get", "List", "Head")):
            made[0] += 1
            if made[0] == number:
                raise error

    session.events.register("after-call", count)
    return made


def die_after(session: boto3.Session, number: int) -> None:
    """Die after that many changes, as a killed kernel does: whatever would still be called is not."""
    made = stop_after(session, number, SystemExit)

    def refuse(**event: Any) -> None:
        if made[0] >= number:
            raise SystemExit

    session.events.register("before-parameter-build", refuse)


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the moto service that its signature names, as if it had gone to that service's host."""

    protocol_version = "HTTP/1.1"
    one_at_a_time = threading.Lock()

    def do_POST(self) -> None:
        """Answers any call; the signature says which service and region it is meant for."""
        from botocore.awsrequest import AWSPreparedRequest
        from botocore.compat import HTTPHeaders
        from moto.core.botocore_stubber import BotocoreStubber

        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        signed = re.search(r"Credential=[^/]+/\d+/([\w-]+)/([\w-]+)/", self.headers.get("Authorization", ""))
        if signed is None:
            self.send_error(403, "not signed")
            return
        region, service = signed.groups()
        host = HOSTS.get(service, "{service}.{region}").format(service=service, region=region)
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers[name] = value
        headers.replace_header("Host", f"{host}.amazonaws.com")
        url = f"https://{host}.amazonaws.com{self.path}"
        request = AWSPreparedRequest(self.command, url, headers, body, stream_output=False)
        try:
            with self.one_at_a_time:
                answer = BotocoreStubber().process_request(request)
        except NotImplementedError as error:
            answer = 501, {}, f"not played: {error}"
        status, said, text = answer or (404, {}, "not played")
        content = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        for name, value in said.items():
            if name.lower() not in ("content-length", "date", "server"):
                self.send_header(name, str(value))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_DELETE = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent."""


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or an interrupt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--region", action="append", help="region with Neuron images (us-east-2, us-west-2)")
    options = parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT)
    put_in(options.region or ["us-east-2", "us-west-2"])
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, lambda number, frame: sys.exit(0))
    with ThreadingHTTPServer(("127.0.0.1", options.port), Handler) as server:
        server.daemon_threads = True
        print(f"export AWS_ENDPOINT_URL=http://127.0.0.1:{server.server_port}")
        for name, value in ENVIRONMENT.items():
            if name.startswith("AWS_"):
                print(f"export {name}={value}")
        print(f"export PATH={PROGRAMS}:{os.environ['PATH']}")
        print("# ready", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
