"""What a probe is to do, as values: targets, payloads, rate, limits. ``edgeroi.probefile`` reads them from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from edgeroi.errors import Place
from edgeroi.schedule import Arrivals
from edgeroi.spec import Fallback, Hedge, Placement, PriceRef, Split

#: Two requests a second annoy nobody, and 400 answers are enough for a p99 with its interval (368 are needed).
POLITE_RATE, ENOUGH_REQUESTS, WARM_UP = 2.0, 400, 5
TIMEOUT_MS = 30_000.0
#: More threads than this on one machine measure the machine.
MOST_IN_FLIGHT = 256

#: Idle for so long, and whatever serves a target may be gone; so many cold starts are the fewest whose median has an interval.
COLD_GAP_MS, COLD_REQUESTS = 300_000.0, 6

Connections = Literal["reuse", "new", "both"]
Mode = Literal["open", "closed"]


#: What a probe can run: a route would have to know requests, a cascade to judge answers.
ProbedPolicy = Fallback | Hedge | Split


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint to measure, or a ``policy`` over others of the file. ``headers`` hold secrets and are left out of what is printed.

    ``fresh``: a new connection for every request. ``extra``: keys every payload gets (``max_tokens``); ``text_as``: the key under which a
    payload of text alone is put, ``None``: the dialect's own.
    """

    name: str
    url: str
    dialect: str
    placement: Placement | None = None
    model: str | None = None
    region: str | None = None
    price: PriceRef | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    stream: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    text_as: str | None = None
    authority: str | None = None
    fresh: bool = False
    policy: ProbedPolicy | None = None
    place: Place | None = None

    @property
    def labels(self) -> Mapping[str, str]:
        """The columns of a log that are the same for all of its requests."""
        provider = self.price.provider if self.price else None
        told = {"placement": self.placement, "provider": provider, "model": self.model, "region": self.region, "variant": self.name}
        return {column: value for column, value in told.items() if value}


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """All of it. ``requests``, ``rate`` and ``warm_up`` are per target; ``vantage`` is where the probe stands, as a person says it.

    ``mode``: ``closed`` sends nothing before the last answer came, ``max_in_flight`` at a time, and cannot see queueing. ``replay_ns``:
    when a log's requests began, from the first on. ``cold_gap_ms``: a silence before each of ``cold_requests``, ``None`` for none of them.

    ``max_in_flight``: how many requests may be out at once; ``None``: as many as the rate and the timeout can need.
    """

    name: str
    targets: tuple[Target, ...]
    payloads: tuple[str | Mapping[str, Any], ...]
    workload: str = "probe"
    vantage: str | None = None
    rate: float = POLITE_RATE
    requests: int = ENOUGH_REQUESTS
    warm_up: int = WARM_UP
    arrivals: Arrivals = "constant"
    timeout_ms: float = TIMEOUT_MS
    connections: Connections = "reuse"
    mode: Mode = "open"
    replay_ns: tuple[int, ...] = ()
    cold_gap_ms: float | None = None
    cold_requests: int = COLD_REQUESTS
    max_in_flight: int | None = None
    keep_bodies: bool = False
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def told_apart(self) -> ProbePlan:
        """The plan with a target for every kind of connection it asks for: ``edge (new)`` beside ``edge`` where it asks for both."""
        if self.connections == "reuse":
            return self
        both = self.connections == "both"
        fresh = (replace(target, name=f"{target.name} (new)" if both else target.name, fresh=True) for target in self.endpoints)
        policies = (target for target in self.targets if target.policy is not None)
        return replace(self, targets=(*(self.endpoints if both else ()), *fresh, *policies))

    @property
    def endpoints(self) -> tuple[Target, ...]:
        """The targets that are no policy."""
        return tuple(target for target in self.targets if target.policy is None)

    @property
    def policies(self) -> Mapping[str, ProbedPolicy]:
        """The policies by the names of their targets."""
        return {target.name: target.policy for target in self.targets if target.policy is not None}

    def asked_by(self, name: str) -> tuple[str, ...]:
        """The endpoints a request to a target may be sent to: itself, or the parts of a policy down to the last, as often as they come."""
        policy = self.policies.get(name)
        return (name,) if policy is None else tuple(leaf for part in policy.parts for leaf in self.asked_by(part))

    @property
    def in_flight(self) -> int:
        """How many requests may be out at once: rate times timeout, and some for luck; of a closed loop one, unless said."""
        if self.mode == "closed":
            return self.max_in_flight or 1
        needed = int(self.rate * len(self.targets) * self.timeout_ms / 1e3) + 8
        return self.max_in_flight or min(MOST_IN_FLIGHT, needed)
