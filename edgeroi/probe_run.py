"""A run of a probe as values: each target's answers, each policy beside its prediction, the differences, and whether to trust it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeroi.exchange import Exchange
from edgeroi.pairs import Difference
from edgeroi.prediction import Prediction
from edgeroi.probe_plan import ProbePlan, Target
from edgeroi.shown import Shown
from edgeroi.trust import Rates, SelfTest

if TYPE_CHECKING:
    import pandas as pd

    from edgeroi.report import Figure, Report


@dataclass(frozen=True)
class TargetRun:
    """One target's part of a run: its answers after the warm-up, those of the warm-up, its rates, what was not sent, its cold starts."""

    target: Target
    steady: tuple[Exchange, ...]
    warm: tuple[Exchange, ...]
    rates: Rates
    paused: int = 0
    unpaid: int = 0
    cold: tuple[Exchange, ...] = ()

    @property
    def successes(self) -> tuple[Exchange, ...]:
        """The answers."""
        return tuple(exchange for exchange in self.steady if exchange.error is None)

    @property
    def errors(self) -> Mapping[str, int]:
        """Failures by kind, the most frequent first."""
        kinds: dict[str, int] = {}
        for exchange in self.steady:
            if exchange.error is not None:
                kinds[exchange.error] = kinds.get(exchange.error, 0) + 1
        return dict(sorted(kinds.items(), key=lambda told: (-told[1], told[0])))


@dataclass(frozen=True)
class PolicyRun:
    """A policy as it ran, beside what its parts make expect. ``usd``: one call of each endpoint at its mean tokens, where priced."""

    run: TargetRun
    prediction: Prediction | None
    usd: Mapping[str, float | None]

    @property
    def calls(self) -> Mapping[str, float]:
        """How many calls of each endpoint a request paid for."""
        return self._per_request(lambda exchange: [*exchange.calls], lambda exchange: exchange.unpaid)

    @property
    def given_up(self) -> Mapping[str, float]:
        """How many calls of each endpoint a request gave up."""
        return self._per_request(lambda exchange: exchange.given_up, lambda _: ())

    @property
    def answered(self) -> Mapping[str, float]:
        """The share of requests each endpoint answered."""
        return self._per_request(lambda e: (e.answered_by,) if e.answered_by and e.error is None else (), lambda _: ())

    def _per_request(self, of: Callable[[Exchange], Sequence[str]], less: Callable[[Exchange], Sequence[str]]) -> Mapping[str, float]:
        steady = self.run.steady
        totals = {name: sum(of(e).count(name) - less(e).count(name) for e in steady) for name in self.usd}
        return {name: total / len(steady) for name, total in totals.items()} if steady else {}

    def usd_1k(self, calls: Mapping[str, float]) -> float | None:
        """What 1,000 requests cost that pay for so many calls; ``None`` where an endpoint that is called has no price."""
        each = [(number, self.usd[name]) for name, number in calls.items() if number]
        known = [number * usd for number, usd in each if usd is not None]
        return 1e3 * sum(known) if each and len(known) == len(each) else None


@dataclass(frozen=True)
class ProbeRun(Shown):
    """A run: its targets, differences by measure, why it is not to be trusted, and what the probe itself adds."""

    plan: ProbePlan
    targets: tuple[TargetRun, ...]
    differences: tuple[tuple[str, Difference], ...]
    reasons: tuple[str, ...]
    added: SelfTest | None
    log: str
    seed: int
    interrupted: bool = False
    policies: tuple[PolicyRun, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether a decision may rest on it."""
        return not self.reasons

    def __repr__(self) -> str:
        """What was asked, and whether to trust it."""
        told = ", ".join(f"{each.target.name} {len(each.steady):,}" for each in self.targets)
        return f"<ProbeRun: requests to {told}; {'trusted' if self.trusted else 'not to be trusted'}>"

    @property
    def report(self) -> Report:
        """What ``edgeroi probe`` says of the run itself; the profile of its log is ``edgeroi.profile(run.log)``."""
        from edgeroi import __version__
        from edgeroi.probe_report import probe_report

        return probe_report(self, None, __version__)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """How the answers of each target are distributed; none without an answer."""
        from edgeroi.probe_report import figures_of

        return figures_of(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per target: requests, failures, rates, quantiles with their intervals; numbers unrounded, unknown as missing."""
        from edgeroi.probe_report import frame_of

        return frame_of(self)
