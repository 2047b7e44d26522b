"""Policies as algebra, held against plays of many requests written here, the worked numbers of the formulas, and laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from edgeroi.errors import NoAnswer
from edgeroi.latency import Latency
from edgeroi.policy import Answers, Pairs, cascade, fallback, hedge, split

REQUESTS = 1_000_000


# ---- the play: each request on its own, drawn from the formulas of the distributions and not from their atoms --------------------


@dataclass(frozen=True)
class Kind:
    """An option of the play: lognormal answers, exponential failures, ttft a fixed share of e2e."""

    p50: float
    p99: float
    failing: float
    fails_after: float
    usd: float
    first_token: float = 0.4

    @property
    def sigma(self) -> float:
        return float(np.log(self.p99 / self.p50) / 2.3263478740408408)

    def answers(self, slot: str) -> Answers:
        e2e = Latency.from_quantiles({0.5: self.p50, 0.99: self.p99}, self.failing)
        levels = (np.arange(20_000) + 0.5) / 20_000
        failing = Latency.from_atoms(-self.fails_after * np.log1p(-levels), np.full(20_000, 1 / 20_000))
        return Answers.of(slot, e2e, e2e.scaled(self.first_token), failing if self.failing else None)

    def drawn(self, ranks: Any) -> tuple[Any, Any]:
        """``(failed, ms)`` of requests at these ranks (0..1), failures the last of them, each kind the slower the higher its rank."""
        failed = ranks > 1 - self.failing
        good = np.clip(ranks / (1 - self.failing), 1e-12, 1 - 1e-12)
        late = np.clip((ranks - (1 - self.failing)) / self.failing, 0, 1 - 1e-12) if self.failing else ranks
        return failed, np.where(failed, -self.fails_after * np.log1p(-late), self.p50 * np.exp(self.sigma * normal(good)))


#: A table of the normal's quantiles, fine enough for both tails: scipy is not among the requirements.
_LEVELS = np.concatenate(
    (np.geomspace(1e-12, 1e-3, 4_000)[:-1], np.linspace(1e-3, 1 - 1e-3, 40_000), 1 - np.geomspace(1e-3, 1e-12, 4_000)[1:])
)


def normal(levels: Any) -> Any:
    from statistics import NormalDist

    table = getattr(normal, "table", None)
    if table is None:
        table = np.array([NormalDist().inv_cdf(level) for level in _LEVELS])
        normal.table = table  # type: ignore[attr-defined]
    return np.interp(levels, _LEVELS, table)


EDGE = Kind(60, 300, 0.02, 40, usd=0.0002)
CLOUD = Kind(120, 260, 0.005, 300, usd=0.002)
STEADY = Kind(150, 180, 0.0, 1, usd=0.001)


def ranks(seed: int, correlation: float, parts: int) -> list[Any]:
    """Ranks of so many parts of one request: all the same in a share of the requests, independent in the others.

    Each part meets every rank as often (one draw in each of as many strata as there are requests), so that little noise is left.
    """
    rng = np.random.default_rng(seed)

    def every(n: int) -> Any:
        return rng.permutation((np.arange(n) + rng.random(n)) / n)

    together = round(correlation * REQUESTS)
    alike = every(together)
    return [np.concatenate((alike, every(REQUESTS - together))) for _ in range(parts)]


Played = tuple[Any, Any, Any]  # failed, ms, USD


def play_fallback(one: Played, two: Played, after: float) -> Played:
    leaves = one[0] | (one[1] > after)
    spent = np.minimum(one[1], after)
    return leaves & two[0], np.where(leaves, spent + two[1], one[1]), one[2] + leaves * two[2]


def play_hedge(one: Played, two: Played, delay: float) -> Played:
    asked = one[0] | (one[1] > delay)
    second = np.minimum(one[1], delay) + two[1]
    times = [np.where(failed, np.inf, ms) for failed, ms in ((one[0], one[1]), (~asked | two[0], second))]
    return np.isinf(np.minimum(*times)), np.minimum(*times), one[2] + asked * two[2]


def play_cascade(one: Played, two: Played, share: float, judge_ms: float, judge_usd: float) -> Played:
    goes = one[0] | (np.random.default_rng(77).permutation(REQUESTS) < share * REQUESTS)
    judged = one[1] + ~one[0] * judge_ms
    return goes & two[0], judged + goes * two[1], one[2] + ~one[0] * judge_usd + goes * two[2]


def played(kind: Kind, at: Any) -> Played:
    return (*kind.drawn(at), np.full(REQUESTS, kind.usd))


PRICES = {"edge": EDGE.usd, "cloud": CLOUD.usd, "steady": STEADY.usd, "judge": 0.0001}


def usd_request(answers: Answers) -> float:
    return sum(answers.calls_of(slot) * usd for slot, usd in PRICES.items())


def assert_as_played(answers: Answers, play: Played, measure: str = "e2e") -> None:
    failed, ms, usd = play
    found = answers.latency(measure)  # type: ignore[arg-type]
    assert found is not None
    for p in (0.5, 0.99):
        assert found.quantile(p) == pytest.approx(np.quantile(ms[~failed], p), rel=0.005), f"p{100 * p:g}"
    assert found.mean_ms == pytest.approx(ms[~failed].mean(), rel=0.002)
    assert usd_request(answers) == pytest.approx(usd.mean(), rel=0.001)
    assert found.failure_ratio == pytest.approx(failed.mean(), abs=4 * np.sqrt(max(found.failure_ratio, 1e-6) / REQUESTS))


@pytest.fixture(scope="module")
def edge() -> Answers:
    return EDGE.answers("edge")


@pytest.fixture(scope="module")
def cloud() -> Answers:
    return CLOUD.answers("cloud")


@pytest.fixture(scope="module")
def steady() -> Answers:
    return STEADY.answers("steady")


@pytest.mark.parametrize("correlation", [0.0, 0.4, 1.0])
def test_each_policy_is_as_played(edge: Answers, cloud: Answers, correlation: float) -> None:
    one, two = (played(kind, at) for kind, at in zip((EDGE, CLOUD), ranks(1, correlation, 2), strict=True))
    assert_as_played(fallback(edge, cloud, 150.0, correlation=correlation), play_fallback(one, two, 150.0))
    assert_as_played(hedge(edge, cloud, 80.0, correlation=correlation), play_hedge(one, two, 80.0))
    found = cascade(edge, edge, cloud, 0.2, judge="judge", judge_ms=15.0, correlation=correlation)
    assert_as_played(found, play_cascade(one, two, 0.2, 15.0, PRICES["judge"]))


def test_nested_policies_are_as_played(edge: Answers, cloud: Answers, steady: Answers) -> None:
    """A cascade behind a fallback whose first is a hedge: a timeout of the hedge, three parts, all independent."""
    one, two, three = (played(kind, at) for kind, at in zip((EDGE, CLOUD, STEADY), ranks(2, 0.0, 3), strict=True))
    raced = hedge(edge, cloud, 80.0)
    assert_as_played(fallback(raced, steady, 140.0), play_fallback(play_hedge(one, two, 80.0), three, 140.0))
    guarded = fallback(edge, cloud, 150.0)
    found = cascade(guarded, guarded, steady, 0.3, judge_ms=10.0)
    assert_as_played(found, play_cascade(play_fallback(one, two, 150.0), three, 0.3, 10.0, 0.0))


def test_nested_policies_whose_slow_requests_are_the_same_are_as_played(edge: Answers, cloud: Answers, steady: Answers) -> None:
    """A hedge of two halves that are slow together, then a part that is slow with neither."""
    (first, second), (third,) = ranks(3, 1.0, 2), ranks(4, 0.0, 1)
    one, two, three = (played(kind, at) for kind, at in zip((EDGE, CLOUD, STEADY), (first, second, third), strict=True))
    raced = hedge(edge, cloud, 80.0, correlation=1.0)
    assert_as_played(fallback(raced, steady, 200.0), play_fallback(play_hedge(one, two, 80.0), three, 200.0))


def test_a_split_is_as_played(edge: Answers, cloud: Answers) -> None:
    one, two = (played(kind, at) for kind, at in zip((EDGE, CLOUD), ranks(5, 0.0, 2), strict=True))
    goes = np.random.default_rng(6).permutation(REQUESTS) < 0.3 * REQUESTS
    play = tuple(np.where(goes, mine, other) for mine, other in zip(one, two, strict=True))
    assert_as_played(split([(0.3, edge), (0.7, cloud)]), play)  # type: ignore[arg-type]


@pytest.mark.parametrize("correlation", [0.0, 1.0])
def test_a_first_token_timeout_is_as_played(edge: Answers, cloud: Answers, correlation: float) -> None:
    """The first token of the play comes after 40 % of the answer; 70 ms without one and the other is asked."""
    one, two = (played(kind, at) for kind, at in zip((EDGE, CLOUD), ranks(8, correlation, 2), strict=True))
    firsts = [np.where(side[0], side[1], 0.4 * side[1]) for side in (one, two)]
    leaves = one[0] | (firsts[0] > 70.0)
    spent, failed = np.minimum(firsts[0], 70.0), leaves & two[0]
    usd = one[2] + leaves * two[2]
    found = fallback(edge, cloud, 70.0, watch="ttft", correlation=correlation)
    assert_as_played(found, (failed, np.where(leaves, spent + two[1], one[1]), usd))
    assert_as_played(found, (failed, np.where(leaves, spent + firsts[1], firsts[0]), usd), "ttft")


# ---- worked numbers ------------------------------------------------------------------------------------------------------------


def constant(slot: str, ms: float, failing: float = 0.0) -> Answers:
    return Answers.of(slot, Latency.constant(ms, failing))


def test_a_timeout_pays_twice_and_waits_twice() -> None:
    """8 % of the edge's requests pass 500 ms: 0.0002 + 0.08 * 0.002 = 0.00036 USD, and those take 500 + 600 = 1,100 ms."""
    first = Answers.of("edge", Latency.from_atoms(np.array([100.0, 900.0]), np.array([0.92, 0.08])))
    found = fallback(first, constant("cloud", 600.0), 500.0)
    assert 0.0002 * found.calls_of("edge") + 0.002 * found.calls_of("cloud") == pytest.approx(0.00036, rel=1e-12)
    latency = found.latency("e2e")
    assert latency is not None
    assert (latency.quantile(0.92), latency.quantile(0.93)) == pytest.approx((100.0, 1100.0), rel=1e-12)


@pytest.mark.parametrize("deadline", [160.0, 250.0, 330.0, 420.0])
def test_the_tail_of_a_fallback(steady: Answers, deadline: float) -> None:
    """P(L > D) = P(L1 > t) * P(L2 > D - t) for D > t, without failures; both factors from the distributions alone."""
    one, two = Latency.from_quantiles({0.5: 60, 0.99: 300}), Latency.from_quantiles({0.5: 120, 0.99: 260})
    found = fallback(Answers.of("edge", one), Answers.of("cloud", two), 150.0).latency("e2e")
    assert found is not None
    assert found.miss_ratio(deadline) == pytest.approx(one.miss_ratio(150.0) * two.miss_ratio(deadline - 150.0), rel=0.01, abs=2e-5)


@pytest.mark.parametrize(("accuracy", "usd"), [(0.05, 1.05), (0.1, 1.00), (0.5, 0.60), (0.8, 0.30)])
def test_a_cascade_costs_the_first_and_what_it_gets_wrong(accuracy: float, usd: float) -> None:
    """c1 = 0.1, c2 = 1: 0.1 + (1 - accuracy) * 1."""
    found = cascade(constant("small", 50.0), constant("small", 50.0), constant("large", 500.0), 1 - accuracy)
    assert 0.1 * found.calls_of("small") + found.calls_of("large") == pytest.approx(usd, rel=1e-12)


def test_a_cascade_shows_nothing_before_it_is_judged() -> None:
    """50 ms of the small one and 20 of the judge; a quarter goes on to 500 ms with a first token after 100."""
    small, large = Latency.constant(50.0), Latency.constant(500.0)
    part = Answers.of("small", small, Latency.constant(10.0))
    found = cascade(part, part, Answers.of("large", large, Latency.constant(100.0)), 0.25, judge="judge", judge_ms=20.0)
    e2e, ttft = found.latency("e2e"), found.latency("ttft")
    assert e2e is not None
    assert ttft is not None
    assert [*e2e.values_ms] == pytest.approx([70.0, 570.0])
    assert [*ttft.values_ms] == pytest.approx([70.0, 170.0])
    assert (found.calls_of("judge"), found.share_of("large")) == pytest.approx((1.0, 0.25))


def test_retries_are_a_fallback_to_oneself() -> None:
    """(1 - f^(r+1)) / (1 - f) attempts: 1.0525 with failures of 5 % and two retries, and f^3 that fail for good."""
    part = constant("edge", 50.0, 0.05)
    found = fallback(part, fallback(part, part))
    assert found.calls_of("edge") == pytest.approx(1.0525, rel=1e-12)
    assert found.failure_ratio == pytest.approx(0.05**3, rel=1e-9)


def test_hedging_costs_what_is_late() -> None:
    """Half of the requests pass the delay: half a call of the other; its 10 ms behind 100 ms beat 300 ms."""
    first = Answers.of("edge", Latency.from_atoms(np.array([50.0, 300.0]), np.array([0.5, 0.5])))
    found = hedge(first, constant("cloud", 10.0), 100.0)
    latency = found.latency("e2e")
    assert latency is not None
    assert [*latency.values_ms] == pytest.approx([50.0, 110.0])
    assert (found.calls_of("edge"), found.calls_of("cloud")) == pytest.approx((1.0, 0.5))
    free = hedge(first, constant("cloud", 10.0), 100.0, abandoned_free=True)
    assert (free.calls_of("edge"), free.calls_of("cloud")) == pytest.approx((0.5, 0.5))


def test_a_call_that_was_given_up_is_billed_unless_said() -> None:
    first = Answers.of("edge", Latency.from_atoms(np.array([100.0, 900.0]), np.array([0.92, 0.08])))
    assert fallback(first, constant("cloud", 600.0), 500.0).calls_of("edge") == pytest.approx(1.0)
    assert fallback(first, constant("cloud", 600.0), 500.0, abandoned_free=True).calls_of("edge") == pytest.approx(0.92)


def test_the_time_to_failure_counts() -> None:
    """One request in ten fails after 30 ms: the other's 200 ms begin there, and not at the timeout."""
    first = Answers.of("edge", Latency.constant(50.0, 0.1), failing=Latency.constant(30.0))
    latency = fallback(first, constant("cloud", 200.0, 0.5), 500.0).latency("e2e")
    assert latency is not None
    assert [*latency.values_ms] == pytest.approx([50.0, 230.0])
    assert latency.failure_ratio == pytest.approx(0.05)


def test_a_fallback_on_one_cue_only() -> None:
    first = Answers.of("edge", Latency.constant(50.0, 0.1), failing=Latency.constant(900.0))
    then = constant("cloud", 200.0)
    assert fallback(first, then, 500.0, on=("timeout",)).failure_ratio == 0  # the failure is a timeout by then
    assert fallback(first, then, 1000.0, on=("timeout",)).failure_ratio == pytest.approx(0.1)
    assert fallback(first, then, None, on=("error",)).calls_of("cloud") == pytest.approx(0.1)


def test_availability_of_failures_that_come_together_is_the_better_part_s() -> None:
    one, two = constant("edge", 50.0, 0.04), constant("cloud", 90.0, 0.01)
    assert fallback(one, two).failure_ratio == pytest.approx(0.04 * 0.01)
    assert fallback(one, two, correlation=1.0).failure_ratio == pytest.approx(0.01)
    assert hedge(one, two, 10.0, correlation=0.5).failure_ratio == pytest.approx(0.5 * 0.0004 + 0.5 * 0.01)


# ---- laws ----------------------------------------------------------------------------------------------------------------------


def same(one: Answers, two: Answers) -> bool:
    sides = [side.latency("e2e") for side in (one, two)]
    assert sides[0] is not None
    assert sides[1] is not None
    equal = np.array_equal(sides[0].values_ms, sides[1].values_ms) and np.allclose(sides[0].weights, sides[1].weights, rtol=1e-12)
    return bool(equal and sides[0].failure_ratio == pytest.approx(sides[1].failure_ratio, rel=1e-12))


def test_a_policy_that_never_acts_is_its_first_part(edge: Answers, cloud: Answers, steady: Answers) -> None:
    assert same(split([(1.0, edge), (0.0, cloud)]), edge)
    assert same(fallback(steady, edge, float("inf")), steady)
    assert same(fallback(steady, edge), steady)
    assert same(hedge(steady, edge, float("inf"), correlation=0.3), steady)
    assert same(cascade(steady, steady, edge, 0.0), steady)
    for policy in (fallback(steady, edge), hedge(steady, edge, float("inf")), cascade(steady, steady, edge, 0.0)):
        assert (policy.calls_of("steady"), policy.calls_of("edge")) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_a_fallback_that_waits_for_nothing_is_the_second_part(edge: Answers, cloud: Answers) -> None:
    """After 0 ms every request goes on, and the first is paid for all the same."""
    found = fallback(edge, cloud, 0.0)
    one, two = found.latency("e2e"), cloud.latency("e2e")
    assert one is not None
    assert two is not None
    assert [one.quantile(p) for p in (0.5, 0.9, 0.99)] == pytest.approx([two.quantile(p) for p in (0.5, 0.9, 0.99)], rel=0.002)
    assert (found.calls_of("edge"), found.calls_of("cloud")) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_a_later_hedge_is_never_faster_nor_dearer(steady: Answers, correlation: float) -> None:
    quick = Kind(60, 300, 0.0, 1, usd=0.0002).answers("edge")
    found = [hedge(quick, steady, delay, correlation=correlation) for delay in (0.0, 30.0, 60.0, 120.0, 240.0, 1e9)]
    p99 = [latency.quantile(0.99) for each in found if (latency := each.latency("e2e"))]
    assert all(later >= 0.995 * sooner for sooner, later in pairwise(p99))  # up to the stated error
    assert p99[-1] > 1.5 * p99[0]
    calls = [each.calls_of("steady") for each in found]
    assert calls == sorted(calls, reverse=True)
    assert calls[0] == pytest.approx(1.0)


@pytest.mark.parametrize("make", [fallback, hedge], ids=["fallback", "hedge"])
def test_every_request_ends_somewhere(edge: Answers, cloud: Answers, make: Callable[..., Answers]) -> None:
    """Weights add up to 1, and those who answered to the share that did not fail."""
    for correlation in (0.0, 1.0):
        found = make(edge, cloud, 90.0, correlation=correlation)
        assert found.weights.sum() == pytest.approx(1.0, rel=1e-9)
        assert found.share_of("edge") + found.share_of("cloud") == pytest.approx(1 - found.failure_ratio, rel=1e-9)


def test_a_mixture_of_couplings_is_a_mixture(edge: Answers, cloud: Answers) -> None:
    """P(L > 250 ms) with correlation 0.4 is 0.6 of the independent and 0.4 of the comonotone one."""
    late = [fallback(edge, cloud, 150.0, correlation=c).latency("e2e").miss_ratio(250.0) for c in (0.0, 1.0, 0.4)]  # type: ignore[union-attr]
    assert late[2] == pytest.approx(0.6 * late[0] + 0.4 * late[1], rel=1e-6)
    assert late[1] > 1.2 * late[0]


def test_the_same_parts_give_the_same_bits(edge: Answers, cloud: Answers) -> None:
    one, two = (hedge(edge, cloud, 80.0, correlation=0.2) for _ in range(2))
    assert one.weights.tobytes() == two.weights.tobytes()
    assert one.e2e is not None
    assert two.e2e is not None
    assert one.e2e.tobytes() == two.e2e.tobytes()


def test_nesting_does_not_make_it_grow(edge: Answers, cloud: Answers) -> None:
    found = edge
    for _ in range(3):
        found = hedge(cascade(found, found, cloud, 0.2), edge, 120.0)
    assert found.weights.size < 100_000


# ---- measured pairs --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """The same requests at two parts: who failed and how long each took."""

    failed: Any
    ms: Any

    def answers(self, slot: str) -> Answers:
        good, bad = self.ms[~self.failed], self.ms[self.failed]
        latency = Latency.from_atoms(good, np.ones(good.size), failure_ratio=float(self.failed.mean()), n=good.size, basis="measured")
        return Answers.of(slot, latency, None, Latency.from_atoms(bad, np.ones(bad.size)))


def both_asked(n: int = 4000) -> tuple[Asked, Asked]:
    """Lognormal times whose logarithms correlate by 0.7; failures of 2 % and 1 %, every second of the latter a failure of both."""
    rng = np.random.default_rng(11)
    one, other = rng.standard_normal((2, n))
    failed = rng.permutation(n) < 0.02 * n
    also = (rng.permutation(n) < 0.005 * n) | (failed & (rng.random(n) < 0.25))
    return Asked(failed, 60 * np.exp(0.6 * one)), Asked(also, 120 * np.exp(0.3 * (0.7 * one + np.sqrt(0.51) * other)))


@pytest.mark.parametrize("after", [40.0, 100.0, 160.0])
def test_with_pairs_a_policy_is_what_happened_to_them(after: float) -> None:
    """Played on the very pairs: nothing is assumed, so quantiles, calls and failures are those of the play, for each policy."""
    first, then = both_asked()
    pairs = Pairs.of((first.failed, first.ms), (then.failed, then.ms))
    one, two = ((side.failed, side.ms, np.zeros(side.ms.size)) for side in (first, then))
    for make, play in ((fallback, play_fallback), (hedge, play_hedge)):
        found = make(first.answers("edge"), then.answers("cloud"), after, pairs=pairs)  # type: ignore[operator]
        failed, ms, _ = play(one, two, after)
        latency = found.latency("e2e")
        assert [latency.quantile(p) for p in (0.5, 0.9, 0.99)] == pytest.approx(np.quantile(ms[~failed], [0.5, 0.9, 0.99]), rel=0.005)
        assert latency.mean_ms == pytest.approx(ms[~failed].mean(), rel=1e-6)
        assert found.failure_ratio == pytest.approx(failed.mean(), abs=1e-9)
        assert found.calls_of("cloud") == pytest.approx((one[0] | (one[1] > after)).mean(), abs=1e-9)


def test_pairs_differ_from_either_assumption() -> None:
    first, then = both_asked()
    pairs = Pairs.of((first.failed, first.ms), (then.failed, then.ms))
    sides = first.answers("edge"), then.answers("cloud")
    found = [fallback(*sides, 100.0, correlation=c, pairs=each) for c, each in ((0.0, None), (0.0, pairs), (1.0, None))]
    late = [latency.miss_ratio(250.0) for each in found if (latency := each.latency("e2e"))]
    assert 1.05 * late[0] < late[1] < 0.95 * late[2]


def test_ranks_that_agree_are_comonotone(edge: Answers, cloud: Answers) -> None:
    found = [fallback(edge, cloud, 150.0, pairs=Pairs(np.arange(500))), fallback(edge, cloud, 150.0, correlation=1.0)]
    one, other = ([latency.mean_ms, *map(latency.quantile, (0.5, 0.9, 0.99))] for each in found if (latency := each.latency("e2e")))
    assert one == pytest.approx(other, rel=1e-9)
    assert [each.n for each in found] == [500, None]


def test_pairs_keep_both_distributions(edge: Answers, cloud: Answers) -> None:
    """Whatever the order, everybody asked of both meets the second's own distribution: after 0 ms nothing else is left of it."""
    shuffled = Pairs(np.random.default_rng(3).permutation(700))
    found, own = fallback(edge, cloud, 0.0, pairs=shuffled).latency("e2e"), cloud.latency("e2e")
    assert found is not None
    assert own is not None
    assert found.mean_ms == pytest.approx(own.mean_ms, rel=1e-9)
    assert [found.quantile(p) for p in (0.5, 0.99)] == pytest.approx([own.quantile(p) for p in (0.5, 0.99)], rel=1e-9)


# ---- what it rests on ----------------------------------------------------------------------------------------------------------


def sampled(n: int, low: float, seed: int) -> Latency:
    values = np.sort(np.random.default_rng(seed).gamma(4.0, low, n))
    return Latency.from_atoms(values, np.full(n, 1 / n), n=n, basis="measured")


def test_intervals_of_a_policy_are_never_too_narrow() -> None:
    """n is the lesser sample's: 400 worlds of both samples, and p90's spread is no wider than n says."""
    truth = []
    for seed in range(400):
        one, two = Answers.of("edge", sampled(500, 20.0, seed)), Answers.of("cloud", sampled(800, 30.0, 10_000 + seed))
        latency = fallback(one, two, 100.0).latency("e2e")
        assert latency is not None
        assert latency.n == 500
        truth.append(latency.miss_ratio(170.0))
    p = float(np.mean(truth))
    assert np.var(truth) <= 1.1 * p * (1 - p) / 500


def test_one_sample_used_twice_counts_half() -> None:
    part = Answers.of("edge", sampled(500, 20.0, 1))
    assert hedge(part, part, 100.0).n == 250
    assert split([(0.5, part), (0.5, part)]).n == 1000


def test_a_policy_that_hangs_on_what_is_not_known_says_so() -> None:
    only_ttft = Answers.of("edge", None, Latency.constant(50.0))
    with pytest.raises(NoAnswer, match="the e2e of edge is not known"):
        fallback(only_ttft, constant("cloud", 100.0), 70.0)
    unknown = Answers.of("edge", None)
    assert split([(0.5, unknown), (0.5, constant("cloud", 100.0))]).latency("e2e") is None
    assert split([(0.5, unknown), (0.5, constant("cloud", 100.0))]).calls_of("edge") == pytest.approx(0.5)


def test_a_failure_of_unknown_length_takes_as_long_as_a_success_and_says_so() -> None:
    first = constant("edge", 50.0, 0.1)
    assert "how long a failure takes is not known" in first.notes[0]
    latency = fallback(first, constant("cloud", 100.0)).latency("e2e")
    assert latency is not None
    assert [*latency.values_ms] == pytest.approx([50.0, 150.0])


def test_the_coarse_joint_of_first_token_and_answer() -> None:
    """Where a slow first token means a short answer, a timeout on it must not take the long answers for late ones."""
    quick, slow = (Latency.constant(1000.0), Latency.constant(50.0)), (Latency.constant(300.0), Latency.constant(200.0))
    e2e, ttft = split_of(quick[0], slow[0]), split_of(quick[1], slow[1])
    then = Answers.of("cloud", Latency.constant(10.0), Latency.constant(5.0))
    banded = fallback(Answers.of("edge", e2e, ttft, None, ((0.5, *quick), (0.5, *slow))), then, 100.0, watch="ttft").latency("e2e")
    blind = fallback(Answers.of("edge", e2e, ttft), then, 100.0, watch="ttft").latency("e2e")
    assert banded is not None
    assert blind is not None
    assert [*banded.values_ms] == pytest.approx([110.0, 1000.0])
    assert [*blind.values_ms] == pytest.approx([110.0, 300.0])


def split_of(one: Latency, two: Latency) -> Latency:
    from edgeroi.latency import mixture

    return mixture([(0.5, one), (0.5, two)])


def test_shares_that_do_not_add_up_are_a_bug(edge: Answers) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        split([(0.5, edge)])
    with pytest.raises(ValueError, match="outside"):
        cascade(edge, edge, edge, 1.2)
