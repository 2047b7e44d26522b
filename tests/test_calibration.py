"""Is a stated probability true? Worlds are drawn from a scenario's own ranges, logs are sampled in them, and the truth is counted.

In each world every driver has one true value and each side one true distribution of latency; edgeroi sees the ranges and a log of a
few hundred requests, and says P(worth it) and a 90 % interval. All of it runs through ``Books`` and the gate, only no file is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from scipy.stats import norm

from edgeroi.draws import Chance
from edgeroi.economics import Books, Stakes
from edgeroi.estimate import Range
from edgeroi.gate import Gate, findings_of
from edgeroi.latency import Latency
from edgeroi.option import Option, Tariff, Timing, Traffic
from edgeroi.prices import Price, Rate
from edgeroi.spec import GateLimits, Materiality
from edgeroi.values import ValueModel
from edgeroi.values.deadline import Deadline
from edgeroi.values.linear_time import MS_PER_HOUR, LinearTime
from edgeroi.verdict import Case, Decision

WORLDS = 26_000
#: Requests in the log of each side.
SEEN = 300
CHANCE = Chance(seed=5, draws=1_000)

REQUESTS = Range(1e6, 0.6e6, 1.6e6, "w.requests", "triangular")
FEE = Range(100.0, 60.0, 160.0, "edge.fixed", "triangular")
WAITING = Range(200**0.5, 5.0, 40.0, "w.value.waiting", "lognormal")
MISS = Range(0.002, 0.0005, 0.008, "w.value.per_miss", "lognormal")
LIMIT_MS = 250.0


def option(name: str, ms: np.ndarray, fee: Range) -> Option:
    """An option that was measured: the log as it was seen, and a monthly fee."""
    sample = Latency(np.sort(ms), np.full(ms.size, 1 / ms.size), 0.0, ms.size, "measured")
    free = Price("p", "m", request=Rate(Decimal(0), "request"))
    tariff = Tariff(free, fees=(("fee", fee, None),))
    return Option(name, "edge" if name == "edge" else "cloud", tariff=tariff, e2e=Timing(sample, basis="measured"), measured=True)


def books(before: np.ndarray, after: np.ndarray, model: ValueModel, fee: Range = FEE) -> Books:
    stakes = Stakes(Traffic(REQUESTS), value=model, felt=None)
    return Books(stakes, option("cloud", before, Range.point(0.0)), option("edge", after, fee), CHANCE)


@dataclass(frozen=True)
class Told:
    """One world: what was said of it, and what is true."""

    p: float
    low: float
    high: float
    net: float


def lognormal(driver: Range, rng: np.random.Generator, n: int) -> np.ndarray:
    return driver.likely * np.exp(np.log(driver.high / driver.low) / (2 * norm.ppf(0.95)) * rng.standard_normal(n))


def in_worlds(kind: str, worlds: int, seed: int = 17) -> Iterator[Told]:
    """The drivers by numpy's own generators; true latencies lognormal, of widely differing medians, so that all answers occur."""
    rng = np.random.default_rng(seed)
    requests = rng.triangular(REQUESTS.low, REQUESTS.likely, REQUESTS.high, worlds)
    fee = rng.triangular(FEE.low, FEE.likely, FEE.high, worlds)
    rate = lognormal(WAITING, rng, worlds) / MS_PER_HOUR if kind == "waiting" else lognormal(MISS, rng, worlds)
    sigma = rng.uniform(0.3, 0.6, (worlds, 2))
    medians = 200 * np.exp(rng.uniform(*SPREAD[kind], worlds)[:, None] * np.array([0.5, -0.5]))
    model = LinearTime(WAITING) if kind == "waiting" else Deadline(Range.point(LIMIT_MS), MISS)
    for k in range(worlds):
        before, after = (rng.lognormal(np.log(medians[k, side]), sigma[k, side], SEEN) for side in (0, 1))
        late = norm.sf((np.log(LIMIT_MS) - np.log(medians[k])) / sigma[k])
        lost = medians[k] * np.exp(sigma[k] ** 2 / 2) if kind == "waiting" else late
        found = books(before, after, model).prospect
        assert found is not None
        net = requests[k] * rate[k] * (lost[0] - lost[1]) - fee[k]
        yield Told(found.p_worth_it, found.quantile(0.05), found.quantile(0.95), float(net))


#: How far apart the medians of both sides may lie, as a logarithm: well past where net turns, on both sides, since edgeroi knows
#: nothing of these bounds and would be held to what it was not told.
SPREAD = {"waiting": (-0.10, 0.32), "deadline": (-0.20, 0.30)}


@pytest.fixture(scope="module")
def told() -> Mapping[str, list[Told]]:
    """Half of the worlds under each value model."""
    return {kind: list(in_worlds(kind, WORLDS // 2)) for kind in SPREAD}


@pytest.mark.slow
def test_a_stated_probability_is_the_share_of_worlds_in_which_it_is_true(told: Mapping[str, list[Told]]) -> None:
    """26,000 worlds in ten bins of stated probability, 1,000 or more in each: the true share is within 3 points of the stated."""
    every = [each for kind in told.values() for each in kind]
    stated, true = np.array([each.p for each in every]), np.array([each.net >= 0 for each in every])
    bins = np.minimum((stated * 10).astype(int), 9)
    found = {k: (int(np.sum(bins == k)), float(stated[bins == k].mean()), float(true[bins == k].mean())) for k in range(10)}
    assert {k: line for k, line in found.items() if line[0] < 1_000} == {}
    assert {k: line for k, line in found.items() if abs(line[1] - line[2]) >= 0.03} == {}


@pytest.mark.slow
def test_a_90_per_cent_interval_holds_the_truth_in_90_per_cent_of_worlds(told: Mapping[str, list[Told]]) -> None:
    """Of 10,000 worlds; chance alone moves the share by 0.3 points."""
    every = [each for kind in told.values() for each in kind[:5_000]]
    assert 0.89 <= np.mean([each.low <= each.net <= each.high for each in every]) <= 0.91


# ---- the gate ------------------------------------------------------------------------------------------------------------------


def gate_fails(before: np.ndarray, after: np.ndarray, model: ValueModel) -> bool:
    """Whether the gate fails an edge that costs what the cloud costs, at a materiality of 0."""
    found = books(before, after, model, Range.point(0.0))
    options = {"cloud": found.baseline, "edge": found.candidate}
    limits = GateLimits(Materiality(0.0, 0.0))
    case = Case("s", "w", options, "cloud", "edge", found, "edge", limits=limits)
    decision = Decision(case, "undecided", "", (), "cloud", 0.0)
    (rule,) = [each for each in findings_of(decision, Gate(limits, (), date(2026, 11, 22))) if each.rule == "edge-net"]
    return rule.status == "fail"


@pytest.mark.slow
@pytest.mark.parametrize("model", [LinearTime(WAITING), Deadline(Range.point(LIMIT_MS), MISS)], ids=["waiting", "deadline"])
def test_one_option_from_two_logs_fails_the_gate_as_often_as_chance_has_it(model: ValueModel) -> None:
    """Nothing differs but the luck of two logs: P(worth it) is uniform, and at most 0.10 in one of ten."""
    rng = np.random.default_rng(23)
    failed = [gate_fails(*(rng.lognormal(np.log(200), 0.5, SEEN) for _ in range(2)), model) for _ in range(1_500)]
    assert np.mean(failed) == pytest.approx(0.10, abs=0.02)


@pytest.mark.parametrize("model", [LinearTime(WAITING), Deadline(Range.point(LIMIT_MS), MISS)], ids=["waiting", "deadline"])
def test_one_option_from_one_log_is_net_zero_and_never_fails(model: ValueModel) -> None:
    rng = np.random.default_rng(29)
    for _ in range(50):
        log = rng.lognormal(np.log(200), 0.5, SEEN)
        found = books(log, log.copy(), model, Range.point(0.0))
        assert (found.likely.net, found.net_low, found.net_high, found.prospect) == (0, 0, 0, None)
        assert not gate_fails(log, log.copy(), model)
