"""What a scenario states, as frozen values: options, workloads, the gate, and where each key stands in its file.

``edgeroi.scenario`` reads them from YAML; whatever is built here by hand is as good. A ``Range`` is named by its dotted path
(``options.edge.rtt``, ``search.value.waiting``) and holds the canonical unit of its field: ms, USD/Mtok, USD/h, USD/month,
requests/month, tok, a ratio of 1, h/month, months, tok/s, GB, USD/GB, USD/request, USD. Not stated is ``None``, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from edgeroi.errors import Place
from edgeroi.estimate import Basis, Range, World
from edgeroi.felt import Felt
from edgeroi.latency import Latency

if TYPE_CHECKING:
    from edgeroi.values import ValueModel

Placement = Literal["edge", "regional", "cloud", "device"]
SeenFrom = Literal["client", "gateway", "server"]
Judged = Literal["ttft", "e2e"]
Users = Literal["people", "machines", "nobody"]

PLACEMENTS: tuple[Placement, ...] = ("edge", "regional", "cloud", "device")

#: The rules of the gate, by the names that scripts and waivers use.
RULES = ("edge-net", "edge-value-undeclared", "needs", "edge-uncovered", "max-premium", "price-missing", "data-missing", "stale-price")

_NOTHING: Mapping[str, str] = MappingProxyType({})
#: One round trip a request, that of a warm connection, where nobody says how many: ``why`` tells it from a stated one.
ONCE = Range(1.0, 1.0, 1.0, why="a warm connection, not stated")
_FELT = Felt()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why somebody says so, and who; what makes an assumption, a requirement or a waiver reviewable."""

    why: str | None = None
    by: str | None = None

    @property
    def given(self) -> bool:
        """Whether both parts are stated."""
        return self.why is not None and self.by is not None


# --- where requests were logged -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogRef:
    """Logs to read: files, folders or globs, already resolved against the scenario's folder.

    ``where`` keeps the rows whose column holds one of the values. ``columns``, ``constants`` and ``not_error`` say what ``--map``,
    ``--const`` and ``--not-error`` say; ``mapping`` is the path of a mapping file.
    """

    files: tuple[str, ...]
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    not_error: tuple[str, ...] = ()
    mapping: str | None = None
    place: Place | None = None


# --- what an option costs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PriceRef:
    """A row of the price book: provider, first slash, model verbatim.

    ``context`` is what the book is asked with: ``{"processing": "batch"}``, ``{"service_tier": "flex"}``.
    """

    ref: str
    context: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    place: Place | None = None

    @property
    def provider(self) -> str:
        """What stands before the first slash."""
        return self.ref.partition("/")[0]

    @property
    def model(self) -> str:
        """What stands after the first slash, verbatim."""
        return self.ref.partition("/")[2]


@dataclass(frozen=True, slots=True)
class StatedPrice:
    """A price written in the scenario itself; it wins over every book.

    Tokens in USD/Mtok, ``request`` in USD/request, ``gpu`` in USD/h of one server, ``neurons`` in USD/kneuron
    with ``neurons_input`` and ``neurons_output`` in neurons/Mtok.
    """

    input: Range | None = None
    cached: Range | None = None
    cache_write: Range | None = None
    output: Range | None = None
    request: Range | None = None
    gpu: Range | None = None
    neurons: Range | None = None
    neurons_input: Range | None = None
    neurons_output: Range | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class FixedFee:
    """A monthly fee, USD/month; ``per_account`` ones are counted once however many workloads use the account."""

    usd_month: Range
    per_account: bool = False
    item: str = "fixed fee"


@dataclass(frozen=True, slots=True)
class Operations:
    """Labour: hours in h/month; the rate in USD/h, ``None`` where nobody stated what an hour costs."""

    hours: Range
    rate: Range | None = None


@dataclass(frozen=True, slots=True)
class Egress:
    """Bytes out: ``volume`` in GB/month or ``per_request`` in GB; ``price`` in USD/GB, ``None`` where the book knows it."""

    price: Range | None = None
    volume: Range | None = None
    per_request: Range | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Dedicated servers: how many in all (``None``: as few as carry the load) at how many sites, each with ``per_site`` of them.

    ``throughput`` is what one server does at full load, in tok/s in and out, or of output alone where ``counts`` says so;
    ``gpu`` is USD/h of one server.
    """

    servers: int | None = None
    per_site: int | None = None
    sites: int = 1
    throughput: Range | None = None
    counts: Literal["total", "output"] = "total"
    gpu: Range | None = None


# --- how fast an option is ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StatedLatency:
    """A latency nobody measured: either one constant, or two or more quantiles (0..1, rising) in ms, values rising too."""

    constant: Range | None = None
    quantiles: tuple[tuple[float, Range], ...] = ()

    def quantile(self, p: float) -> Range | None:
        """The stated quantile, ``None`` where it is not stated."""
        return self.constant or dict(self.quantiles).get(p)

    def at(self, world: World, failure_ratio: float = 0.0, basis: Basis = "assumed") -> Latency:
        """The distribution in one world."""
        if self.constant:
            return Latency.constant(self.constant.at(world), failure_ratio, basis)
        return Latency.from_quantiles({p: ms.at(world) for p, ms in self.quantiles}, failure_ratio, basis)


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The share of requests that meet a cold start, and the ms it adds to them."""

    share: Range
    adds: Range


@dataclass(frozen=True, slots=True)
class OriginCalls:
    """Calls from the serving site back to a central store, per request, and the ms of each."""

    count: Range
    rtt: Range


# --- policies: who answers which request ----------------------------------------------------------------------------------


Cue = Literal["timeout", "error"]


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of the traffic by option, summing to 1."""

    shares: tuple[tuple[str, Range], ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The options it uses."""
        return tuple(name for name, _ in self.shares)

    def at(self, world: World) -> tuple[float, ...]:
        """The shares in one world: those it changes as they are there, the others filling up to 1 in proportion."""
        told = {name: min(1.0, max(0.0, share.at(world))) for name, share in self.shares if share.name in world}
        rest = sum(share.likely for name, share in self.shares if name not in told)
        left = 1 - sum(told.values())
        if left <= 0 or not rest:
            total = sum(told.values()) or 1.0
            return tuple(told.get(name, 0.0) / total for name, _ in self.shares)
        return tuple(told[name] if name in told else share.likely / rest * left for name, share in self.shares)


@dataclass(frozen=True, slots=True)
class Condition:
    """What one column of a request must hold: a value, a number on the stated side of a limit, some words or none, so many words."""

    column: str
    test: Literal["in", "<", "<=", ">", ">=", "has_any_of", "has_none_of", "words<", "words<=", "words>", "words>="]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteRule:
    """Requests that meet every condition go to ``to``. ``share`` of the requests: stated where no log tells it.

    ``confidence``: how sure the router says it is that the option of its first rule will do for them; see ``Route``.
    """

    when: tuple[Condition, ...]
    to: str
    share: Range | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """The first rule that fits decides; the rest goes to ``otherwise``.

    ``otherwise_confidence``: how sure the router is that the first rule's option would do for the rest. Confidences decide nothing: they
    are held against what the log knows of quality.
    """

    rules: tuple[RouteRule, ...]
    otherwise: str
    otherwise_confidence: float | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The options it uses."""
        return (*(rule.to for rule in self.rules), self.otherwise)


@dataclass(frozen=True, slots=True)
class Fallback:
    """``first`` answers unless it fails or takes longer than ``after`` ms; then ``then`` does, behind it.

    ``watch``: which measure ``after`` is held against (``None``: e2e where it is known). ``on``: what makes it fall back.
    ``abandoned_free``: whether a call that was given up is not billed. ``correlation``: of the slow requests of both, 0..1.
    """

    first: str
    then: str
    after: Range | None = None
    correlation: Range | None = None
    watch: Judged | None = None
    on: tuple[Cue, ...] = ("timeout", "error")
    abandoned_free: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The options it uses."""
        return (self.first, self.then)


@dataclass(frozen=True, slots=True)
class Hedge:
    """``then`` is asked as well once ``first`` has taken ``after`` ms; the first answer wins. The rest as of ``Fallback``."""

    first: str
    then: str
    after: Range
    correlation: Range | None = None
    watch: Judged | None = None
    abandoned_free: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The options it uses."""
        return (self.first, self.then)


@dataclass(frozen=True, slots=True)
class Cascade:
    """``first`` answers; what a judge doubts goes on to ``then``.

    Doubted is a share of the requests (``escalated``), or every answer below a ``confidence`` that the log tells: one of the two.
    ``judge`` is USD/request of deciding, ``judge_takes`` the ms of it. ``kept_quality``: how good the answers are that it keeps.
    """

    first: str
    then: str
    escalated: Range | None = None
    judge: Range | None = None
    correlation: Range | None = None
    confidence: float | None = None
    judge_takes: Range | None = None
    kept_quality: Range | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The options it uses."""
        return (self.first, self.then)


Policy = Split | Route | Fallback | Hedge | Cascade


# --- options and workloads ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One way to serve a workload: a placement with model, price, latency and the rest, or a policy over other options.

    ``service`` and ``service_ttft`` exclude the network (``rtt`` x ``round_trips`` is added); ``latency`` and ``ttft`` are whole.
    ``errors`` is the share that fails; ``discount`` the share taken off the list price (negative: a surcharge); ``migration`` USD once.
    Of a policy ``placement`` is ``None``: its parts say where they run.
    ``distance`` km to the users, ``cpu`` ms of CPU per request. ``assume`` is set where somebody answers for an edge that nobody measured.
    """

    name: str
    placement: Placement | None
    price: PriceRef | StatedPrice | None = None
    model: str | None = None
    region: str | None = None
    rtt: Range | None = None
    round_trips: Range = ONCE
    service: StatedLatency | None = None
    service_ttft: StatedLatency | None = None
    latency: StatedLatency | None = None
    ttft: StatedLatency | None = None
    log: LogRef | None = None
    cold_start: ColdStart | None = None
    fixed: tuple[FixedFee, ...] = ()
    operations: Operations | None = None
    quality: Range | None = None
    errors: Range | None = None
    capacity: Capacity | None = None
    migration: Range | None = None
    egress: Egress | None = None
    discount: Range | None = None
    origin_calls: OriginCalls | None = None
    distance: Range | None = None
    cpu: Range | None = None
    assume: Reason | None = None
    policy: Policy | None = None
    place: Place | None = None

    @property
    def model_name(self) -> str | None:
        """The stated model, else the one its price refers to."""
        return self.model or (self.price.model if isinstance(self.price, PriceRef) else None)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one request; ``cached`` and ``cache_write`` are part of ``input``."""

    input: Range | None = None
    cached: Range | None = None
    cache_write: Range | None = None
    output: Range | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What must hold whatever it costs: quantiles (0..1) with their limit in ms, residency, offline, quality, a cap on the premium."""

    deadline: tuple[tuple[float, Range], ...] = ()
    residency: str | None = None
    offline: bool = False
    min_quality: float | None = None
    max_premium: Range | None = None
    reason: Reason = Reason()
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """A kind of request judged on its own.

    ``options`` maps the names used in this workload, in stated order, to options; the small form's ``now`` and ``edge`` are local
    to it. ``where`` says which rows of the log are its own; ``None``: those whose ``workload`` is its name. ``value`` is ``None``
    where nobody declared one, which is not the same as a declared ``none``. ``felt`` counts for people only.
    """

    name: str
    options: Mapping[str, OptionSpec]
    baseline: str
    runs_on: str | None = None
    requests: Range | None = None
    tokens: Tokens = Tokens()
    judge: Judged | None = None
    part_of: Range | None = None
    users: Users | None = None
    value: ValueModel | None = None
    quality_value: Range | None = None
    needs: Needs = Needs()
    origin_calls: OriginCalls | None = None
    felt: Felt = _FELT
    where: Mapping[str, tuple[str, ...]] | None = None
    log: LogRef | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Materiality:
    """Below which a monthly premium is not worth an argument: USD, or a share of the baseline's cost; ``None`` where not stated."""

    usd_month: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """One rule not held against one workload (``None``: any), until a day."""

    rule: str
    workload: str | None
    reason: Reason
    expires: date
    place: Place | None = None

    def holds(self, today: date) -> bool:
        """Whether it has not expired: the day it names is its last."""
        return today <= self.expires


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """What the scenario, or the project's policy, says about the gate; ``None`` where it says nothing."""

    materiality: Materiality | None = None
    edge_from: float | None = None
    fail_at: float | None = None
    on_undecided: Literal["warn", "fail"] | None = None
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True)
class GateLimits:
    """The limits the gate applies, every one decided."""

    materiality: Materiality = Materiality(50.0, 0.05)
    edge_from: float = 0.90
    fail_at: float = 0.10
    on_undecided: Literal["warn", "fail"] = "warn"


@dataclass(frozen=True, slots=True)
class NamedRate:
    """A quantity the project states once; a scenario writes its name where it would write the quantity."""

    text: str
    reason: Reason = Reason()
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class ProjectPolicy:
    """``edgeroi.yaml``: what the project decides for all its scenarios, written by other people than theirs.

    ``rates`` are named quantities a scenario may refer to where it would state one; ``discounts`` go by provider.
    """

    file: str
    rates: Mapping[str, NamedRate] = field(default_factory=dict)
    discounts: Mapping[str, Range] = field(default_factory=dict)
    check: CheckSpec = CheckSpec()
    places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole file: what is true about its workloads, with the place of every key by its dotted path."""

    name: str
    file: str
    workloads: Mapping[str, WorkloadSpec]
    options: Mapping[str, OptionSpec] = field(default_factory=dict)
    log: LogRef | None = None
    prices_as_of: date | None = None
    horizon_months: float = 12.0
    discount_rate: float = 0.0
    seen_from: SeenFrom | None = None
    sampling: float | Literal["tail"] | None = None
    users_in: Mapping[str, float] = field(default_factory=dict)
    check: CheckSpec = CheckSpec()
    places: Mapping[str, Place] = field(default_factory=dict)
    #: What was changed from outside the file, as given: ``("workloads.search.requests", "20M /month")``.
    overrides: tuple[tuple[str, str], ...] = ()

    def place(self, path: str) -> Place:
        """Where a key stands, ``search.value`` or ``workloads.search.value``; of one that is not there, the nearest above it."""
        while path:
            if found := self.places.get(path) or self.places.get(f"workloads.{path}"):
                return found
            path = path.rpartition(".")[0]
        return Place(self.file)

    def parts(self, option: OptionSpec) -> tuple[OptionSpec, ...]:
        """The option itself, or the options a policy is made of, down to those that are none."""
        if option.policy is None:
            return (option,)
        return tuple({part.name: part for name in option.policy.parts for part in self.parts(self.options[name])}.values())

    def uses_edge(self, option: OptionSpec) -> bool:
        """Whether any request it serves may run at the edge."""
        return any(part.placement in ("edge", "device") for part in self.parts(option))
