"""A plan: everything that follows from the parameters before anything is started."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from inf2lab import catalog
from inf2lab.errors import SettingsError
from inf2lab.folder import ModelFolder, Needs
from inf2lab.planning.decode import Decode, decode
from inf2lab.planning.degrees import Degrees, check, judge_degrees
from inf2lab.planning.devices import Copy, DeviceList, copies_of, judge_devices, parse_devices
from inf2lab.planning.host import Host, host_needs
from inf2lab.planning.memory import Memory, judge
from inf2lab.planning.published import PublicRule, public_rules
from inf2lab.planning.report import html, rows
from inf2lab.planning.request import Request, request_for, request_of
from inf2lab.planning.service import Choice, Service, cheapest, service, smallest_fitting_degree
from inf2lab.settings import Settings
from neuron_rules import CoreBytes, DegreeCheck, Fit, MemoryVerdict, placed_kv_heads


@dataclass(frozen=True, repr=False)
class Plan:
    """The verdicts on one set of parameters; `copies` are workers, each with the whole model.

    `settings` is what the plan was made from: a notebook's Settings, or the Request of a command.
    """

    settings: Settings | Request
    request: Request
    degrees: tuple[DegreeCheck, ...]
    tensor_parallel: Degrees
    memory_verdict: Memory
    copies: tuple[Copy, ...]
    host: Host
    decode: Decode
    service: Service
    rules: tuple[PublicRule, ...]
    cheapest: Choice | None
    device_list: DeviceList | None
    warnings: tuple[str, ...]

    @property
    def memory(self) -> CoreBytes:
        """Bytes on each core."""
        return self.memory_verdict.core

    @property
    def verdict(self) -> MemoryVerdict:
        """Whether a core holds the model."""
        return self.memory_verdict.verdict

    @property
    def idle_cores(self) -> int:
        """NeuronCores of the instance that no copy uses."""
        return self.request.hardware.cores - sum(len(copy.cores) for copy in self.copies)

    @property
    def problems(self) -> tuple[str, ...]:
        """What stands in the way of serving this: broken rules, and memory that certainly is too small."""
        found = [reason.text for reason in self.tensor_parallel.asked.reasons]
        if self.verdict.fit is Fit.DOES_NOT_FIT:
            found.append(self.verdict.text)
        limit = self.request.model.max_positions
        if self.request.n_positions > limit and self.request.model.family.positions == "learned":
            found.append(
                f"n_positions={self.request.n_positions}: the model has {limit} positions, use at most {limit}"
            )
        if self.request.class_missing:
            title = self.request.generation.title
            found.append(f"{title} has no class for {self.request.model.family.title}: choose a later profile")
        return tuple(found)

    def __str__(self) -> str:
        return "\n".join(f"{subject:<13} {found}" for subject, found in rows(self))

    def __repr__(self) -> str:
        return str(self)  # what a notebook shows where HTML is not

    def _repr_html_(self) -> str:
        return html(self)


def plan(settings: Settings, degrees: tuple[int, ...] = (1, 2, 3, 4, 8, 12, 16, 24)) -> Plan:
    """Return the plan of `settings`, with a verdict on each of `degrees`."""
    request = request_of(settings)
    made = plan_request(request)
    return replace(made, settings=settings, degrees=tuple(check(request, degree) for degree in degrees))


def plan_request(request: Request, *, devices: Iterable[int] | None = None, price_basis: str = "on-demand") -> Plan:
    """Return the plan of a request, with a verdict on every degree of its instance.

    `devices` is a list of `--device` flags to judge. Raises SettingsError (a device or a price basis unknown).
    """
    degrees = judge_degrees(request)
    degree, hardware = request.tensor_parallel_degree, request.hardware
    copies = copies_of(hardware, degree)
    time = decode(request)
    return Plan(
        settings=request,
        request=request,
        degrees=degrees.checks,
        tensor_parallel=degrees,
        memory_verdict=judge(request),
        copies=copies,
        host=host_needs(request, len(copies)),
        decode=time,
        service=service(request, time, len(copies), price_basis=price_basis),
        rules=public_rules(request),
        cheapest=cheapest(request, price_basis=price_basis),
        device_list=None if devices is None else judge_devices(hardware, degree, devices),
        warnings=tuple(_warnings(request)),
    )


def plan_of(folder: ModelFolder, settings: Settings) -> Plan:
    """Return the plan of what a model folder states, under the settings' profile and on their instance.

    Raises FolderError for a value that cannot be, SettingsError for a model that the catalog does not know.
    """
    needs = Needs(settings, folder)
    return plan_for(
        needs.model_id,
        profile=settings.profile,
        instance=settings.instance,
        tensor_parallel_degree=needs.degree,
        batch_size=needs.rows,
        n_positions=needs.n_positions,
        dtype=needs.dtype,
    )


def plan_for(
    model: str,
    *,
    tensor_parallel_degree: int | None = None,
    devices: str | None = None,
    price_basis: str = "on-demand",
    **choices: Any,
) -> Plan:
    """Return the plan of a model named as in `request_for`, whose `choices` these are; raises SettingsError.

    Without a degree the smallest that certainly fits is taken, or else the largest legal one. `devices` is a list
    of `--device` flags as text: "0,1,2".
    """
    request = request_for(model, tensor_parallel_degree=tensor_parallel_degree or 1, **choices)
    if tensor_parallel_degree is None:
        legal = judge_degrees(request).documented or (1,)
        request = replace(request, tensor_parallel_degree=smallest_fitting_degree(request) or legal[-1])
    elif tensor_parallel_degree < 1:
        raise SettingsError("tensor_parallel_degree", tensor_parallel_degree, "must be 1 or more")
    listed = None if devices is None else parse_devices(devices)
    return plan_request(request, devices=listed, price_basis=price_basis)


def _warnings(request: Request) -> list[str]:
    found = []
    prompt, answer = request.lengths
    if prompt + answer > request.n_positions:
        found.append(f"prompt and answer have {prompt + answer} tokens and n_positions is {request.n_positions}")
    limit, model = request.model.max_positions, request.model
    if request.n_positions > limit and model.family.positions != "learned":
        found.append(f"the model was trained on {limit} positions: expect poor text beyond them")
    placed = placed_kv_heads(model, request.tensor_parallel_degree, request.generation)
    if model.kv_heads < min(model.heads, placed):
        found.append(
            f"degree {request.tensor_parallel_degree} does not divide the {model.kv_heads} key/value heads: they are "
            f"repeated to {placed}, and the KV cache grows with them"
        )
    entry = catalog.model_entries().get(model.name)
    model_type = entry.model_type if entry else model.architecture
    if model_type not in request.stack.architectures:
        accepted = ", ".join(request.stack.architectures)
        found.append(f"the built-in handler of {request.stack.name} takes {accepted}; this model is a {model_type}")
    if request.stack.tnx_generation is None:
        found.append(f"rules of {request.generation.title} are used; {request.stack.name} has a later library")
    return found
