"""A plan: everything that follows from the parameters before anything is started."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inf2lab import catalog, paths
from inf2lab.errors import SettingsError
from inf2lab.folder import ModelFolder, Needs, Variable, variables_of
from inf2lab.language import translated_html
from inf2lab.planning.decode import Decode, Range, decode
from inf2lab.planning.degrees import Degrees, check, judge_degrees
from inf2lab.planning.devices import Copy, DeviceList, copies_of, judge_devices, parse_devices
from inf2lab.planning.host import Host, host_needs
from inf2lab.planning.memory import Memory, judge
from inf2lab.planning.published import PublicRule, public_rules
from inf2lab.planning.queue import planned_pace
from inf2lab.planning.report import html, rows
from inf2lab.planning.request import INT8, Request, request_for, request_of
from inf2lab.planning.service import Choice, Service, cheapest, service, smallest_fitting_degree
from inf2lab.settings import Settings
from neuron_rules import GIB, CoreBytes, DegreeCheck, Fit, Generation, MemoryVerdict, placed_kv_heads, refused_int8


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
    given: tuple[str, ...] = ()  # what the container's variables gave, each with its place

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
    def started(self) -> int:
        """Copies that are started: the settings', or one, which is what a device for `docker run` makes."""
        return min(getattr(self.settings, "copies", 1), max(1, len(self.copies)))

    @property
    def started_usd(self) -> Range | None:
        """Dollars for a million tokens of the copies that are started: the others' cores idle and are paid for."""
        cost = self.service.usd_per_million_tokens
        return cost.scaled(len(self.copies) / self.started) if cost else None

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
        found += [one.text for one in self.request.obstacles if not one.loads]
        if self.request.weights == INT8 and (refused := refused_int8(*self._of_library)):
            found.append(refused)
        return tuple(found)

    @property
    def _of_library(self) -> tuple[str, Generation]:
        return self.request.model.architecture, self.request.generation

    def __str__(self) -> str:
        return "\n".join(f"{subject:<13} {found}" for subject, found in rows(self))

    def __repr__(self) -> str:
        return str(self)  # what a notebook shows where HTML is not

    def _repr_html_(self) -> str:
        return translated_html(html(self))


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
    made = Plan(
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
    return replace(made, warnings=(*made.warnings, *_tight(made), *_patience(made)))


def plan_of(folder: ModelFolder, settings: Settings, variables: Iterable[Variable] = (), **choices: Any) -> Plan:
    """Return the plan of what a model folder and the container's variables state, under the settings' profile.

    `choices` as in `plan_for` win over what is stated. Raises FolderError for a value that cannot be, SettingsError
    for a model that the catalog does not know.
    """
    needs = Needs(settings, folder, tuple(variables))
    stated: dict[str, Any] = {
        "model": needs.model_id,
        "profile": settings.profile,
        "instance": settings.instance,
        "tensor_parallel_degree": needs.degree,
        "batch_size": needs.rows,
        "n_positions": needs.n_positions,
        "dtype": needs.dtype,
        "weights": INT8 if needs.stated.in_8bit else None,
        "built_in": needs.stated.built_in,
        "reading": needs.reading,
    }
    counted = (one for one in needs.stated.properties.effective() if one.variable)
    given = tuple(f"{one.source} ({one.file}:{one.line})" for one in counted)
    return replace(plan_for(**(stated | choices)), given=given)


def plan_of_files(path: Path, commands: Iterable[Path], settings: Settings, choices: Mapping[str, Any]) -> Plan:
    """Return the plan of the folder at `path` as `commands` start it; raises as `plan_of`, and for several starts."""
    return plan_of(ModelFolder(paths.real(path)).check(), settings, variables_of(commands), **choices)


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


def _tight(made: Plan) -> list[str]:
    """The fit that rests on what other software once did."""
    memory = made.memory_verdict
    if memory.verdict.fit is not Fit.FITS or memory.by_rule.fit is Fit.FITS:
        return []
    seen, used = memory.evidence[0].seen_with, memory.core.total / GIB
    return [
        f"tight, not shown: {used:.1f} of 16 GiB a core. Seen with {seen}; nobody has shown it with "
        f"{made.request.stack.name}. A higher degree leaves room"
    ]


def _patience(made: Plan) -> list[str]:
    """The answer that outlasts the server, which then ends the worker and loads the model again."""
    slow, allowed = planned_pace(made, slow=True).seconds, catalog.loading_facts().predict_s
    if slow <= allowed:
        return []
    return [
        f"an answer of {made.request.lengths[1]} tokens may take {slow:.0f} s, and after {allowed} s the server ends "
        "the worker: state option.predict_timeout, or ask for less"
    ]


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
    found += [one.text for one in request.obstacles if one.loads]
    if untried := catalog.untried_context(request.n_positions, request.stack):
        found.append(untried)
    if model.family.wants_f32 and request.dtype == "f16":
        found.append(f"the vendor advises f32 for {model.family.title}, which is sensitive to f16")
    if request.stack.tnx_generation is None:
        own = request.stack.packages["transformers-neuronx"]
        found.append(f"rules of {request.generation.title} are used; {request.stack.name} has {own}")
    return found
