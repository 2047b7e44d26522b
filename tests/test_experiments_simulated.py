"""What an experiment is believed for: how often it errs without an effect, how often it finds one, how often an interval holds.

Every simulation asks the code that ships. Rates are held against the stated one and, where it can be computed, against the method's exact
rate; simulation error is three standard errors of a share.
"""

import math

import numpy as np
import pytest
from scipy import stats

from edgeroi.arms import BY_NAME, METRICS, Requests, RowArm
from edgeroi.effects import Doubt, Quantile, Ranked, Share, effect
from edgeroi.guards import mix_of
from edgeroi.stats import order_statistic_ranks

RUNS = 2000
RATE = 0.05
DEADLINE_MS = 125.0


def error_of(rate, runs=RUNS):
    return 3 * math.sqrt(rate * (1 - rate) / runs)


def arm(rng, users, each, icc=0.0, first=0, scale=1.0):
    """An arm of rows: latency, TTFT and cost lognormal, quality normal, failures a threshold; each with this intraclass correlation.

    So few fail that a p99 is a request's latency: one among the failures is a bound and shows nothing, right or wrong.
    """
    n = users * each

    def scores():
        own = rng.standard_normal(n)
        return math.sqrt(icc) * np.repeat(rng.standard_normal(users), each) + math.sqrt(1 - icc) * own if icc else own

    numbers = {
        "latency_ms": scale * np.exp(4 + 0.5 * scores()),
        "ttft_ms": np.exp(3 + 0.5 * scores()),
        "cost_usd": 1e-4 * np.exp(0.8 * scores()),
        "quality": 0.8 + 0.05 * scores(),
    }
    failed = scores() > stats.norm.ppf(0.997)
    unit = first + np.repeat(np.arange(users), each) if each > 1 else None
    return Requests(failed, numbers, unit=unit, k=2 * users)


def shown(control, treated, names, doubt=None):
    arms = RowArm("control", control), RowArm("treated", treated)
    found = set()
    for name in names:
        one, two = (side.sample(BY_NAME[name], DEADLINE_MS) for side in arms)
        if effect(two, one, BY_NAME[name].scale, doubt).shown:
            found.add(name)
    return found


def rates_of(trials):
    counts, runs = dict.fromkeys(NAMES, 0), 0
    for found in trials:
        runs += 1
        for name in found:
            counts[name] += 1
    return {name: n / runs for name, n in counts.items()}


NAMES = [metric.name for metric in METRICS]
#: What never fires keeps every promise: the least rate of a number that is judged at all.
LEAST = 0.005


# --- A/A ---


@pytest.mark.slow
def test_without_an_effect_no_number_is_shown_more_often_than_stated():
    rng = np.random.default_rng(20261126)
    rates = rates_of(shown(arm(rng, 1500, 1), arm(rng, 1500, 1), NAMES) for _ in range(RUNS))
    assert all(LEAST < rate <= RATE + error_of(RATE) for rate in rates.values()), rates
    assert min(rates[name] for name in ("p50", "p95", "miss_ratio", "cost_usd", "quality")) > 0.02, rates


@pytest.mark.slow
def test_without_an_effect_users_who_ask_much_do_not_make_one():
    """20 requests of each user, intraclass correlation 0.3. Taken for independent, the same requests show an effect far too often."""
    rng = np.random.default_rng(3)
    trials, naive = [], 0
    for _ in range(RUNS):
        sides = arm(rng, 100, 20, 0.3), arm(rng, 100, 20, 0.3, first=100)
        trials.append(shown(*sides, NAMES))
        if len(trials) <= 200:
            naive += "p50" in shown(*(Requests(rows.failed, rows.numbers) for rows in sides), ["p50"])
    rates = rates_of(trials)
    assert all(LEAST < rate <= RATE + error_of(RATE) for rate in rates.values()), rates
    assert min(rates[name] for name in ("p50", "p95", "miss_ratio", "cost_usd", "quality")) > 0.02, rates
    assert naive / 200 > 0.2


def test_without_an_effect_few_requests_that_stand_for_many_do_not_make_one():
    """A tenth of a small arm's requests are long ones and half of the control's, and only those are slow or fail: weighted to one mix each
    of them counts five times. Kish's effective size alone, which looks at the weights only, shows 14 to 18 %."""
    rng, runs, names = np.random.default_rng(8), 300, ("p95", "miss_ratio", "error_ratio", "cost_usd")

    def rows(n, share):
        long = rng.random(n) < share
        latency = np.where(long, 100, 20) * np.exp(0.4 * rng.standard_normal(n))
        cost = np.where(long, 5e-4, 1e-4) * np.exp(0.5 * rng.standard_normal(n))
        failed = long & (rng.random(n) < 0.03)
        return Requests(failed, {"latency_ms": latency, "cost_usd": cost, "input_tokens": np.where(long, 2000.0, 20.0)})

    mixes = (mix_of(rows(6000, 0.5), rows(1200, 0.1)) for _ in range(runs))
    rates = rates_of(shown(*mix.standardised, names) for mix in mixes)
    assert all(rates[name] <= RATE + error_of(RATE, runs) for name in names), rates
    assert max(rates.values()) > LEAST, rates


@pytest.mark.slow
def test_without_an_effect_twenty_looks_do_not_make_one():
    """Once in 20 looks is too often for an interval of one look, and not for one that holds at all of them; users correlated or not."""
    rng = np.random.default_rng(4)
    doubt, looks = Doubt(sequential=True), 20
    peeked, plain = {1: [], 20: []}, 0
    for run in range(RUNS):
        icc, each = (0.3, 20) if run % 2 else (0.0, 1)
        users = 60 if run % 2 else 1000
        sides = arm(rng, users, each, icc), arm(rng, users, each, icc, first=users)
        found, naive = set(), set()
        for look in range(1, looks + 1):
            n = users * each * look // looks
            parts = [rows.where(slice(0, n)) for rows in sides]
            # TTFT is judged by the code of latency, from another column: it would only take its time again.
            left = [name for name in NAMES if name not in found and not name.startswith("ttft")]
            found |= shown(*parts, left, doubt)
            if run < 300 and not naive:
                naive |= shown(*parts, ["cost_usd"])
        peeked[each].append(found)
        plain += bool(naive)
    for each, trials in peeked.items():  # each by itself, as the one that never errs would hide the other
        rates = rates_of(trials)
        assert all(rate <= RATE + error_of(RATE, RUNS // 2) for rate in rates.values()), (each, rates)
    assert plain / 300 > 0.12  # the same looked at as if each look were the only one: about 0.25


@pytest.mark.parametrize(("p", "n"), [(0.5, 1000), (0.95, 1000), (0.99, 2000)])
def test_the_rate_of_a_quantile_is_the_methods_exact_one(p, n):
    """Only three order statistics of each arm decide. They are drawn here without a sample, as sums of exponential spacings, and 40
    times as often as the whole samples that the shipped code judges."""
    rng = np.random.default_rng(5)
    low, high = order_statistic_ranks(n, p)
    middle = math.ceil(round(p * n, 9))

    def ends(size):
        gaps = rng.gamma(np.array([low, middle - low, high - middle, n + 1 - high]), size=(size, 4))
        return 0.5 * stats.norm.ppf(np.cumsum(gaps, axis=1)[:, :3] / gaps.sum(axis=1, keepdims=True))

    (l1, m1, u1), (l2, m2, u2) = ends(40 * RUNS).T, ends(40 * RUNS).T
    apart = m1 - m2
    exact = np.mean((apart > np.hypot(m1 - l1, u2 - m2)) | (-apart > np.hypot(u1 - m1, m2 - l2)))

    def judged():
        control, treated = (Quantile.of(Ranked.of(np.exp(4 + 0.5 * rng.standard_normal(n))), p) for _ in range(2))
        return effect(treated, control, "relative").shown

    rate = sum(judged() for _ in range(RUNS)) / RUNS
    assert exact <= RATE
    assert rate == pytest.approx(exact, abs=error_of(exact))


@pytest.mark.parametrize(("share", "n"), [(0.01, 2000), (0.2, 500)])
def test_the_rate_of_a_share_is_the_methods_exact_one(share, n):
    """Newcombe's interval over all pairs of counts, weighted by their binomial probabilities."""
    rng = np.random.default_rng(6)
    counts = np.arange(*(int(x) for x in stats.binom.interval(1 - 1e-9, n, share)))
    z2, p = stats.norm.ppf(0.975) ** 2, counts / n
    centre, half = (p + z2 / (2 * n)) / (1 + z2 / n), np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    low, high = np.maximum(centre - half, 0), centre + half
    apart = p[:, None] - p[None, :]
    above = apart > np.hypot((p - low)[:, None], (high - p)[None, :])
    below = -apart > np.hypot((high - p)[:, None], (p - low)[None, :])
    weights = stats.binom.pmf(counts, n, share)
    exact = float(weights @ (above | below) @ weights)
    hits = rng.binomial(n, share, (RUNS, 2))
    rate = np.mean([effect(Share(one, n, n), Share(two, n, n), "absolute").shown for one, two in hits])
    assert exact <= RATE + 0.003
    assert rate == pytest.approx(exact, abs=error_of(exact))


# --- coverage ---


def bimodal(u):
    """A cache hit around 8 ms in 30 % of the cases, else around 100 ms; by its inverse distribution function, and apart by a gap."""
    return np.where(u < 0.3, 8 * np.exp(0.2 * stats.norm.ppf(np.minimum(u / 0.3, 1 - 1e-16))), 100 + 40 * np.maximum(u - 0.3, 0) / 0.7)


SHAPES = {"lognormal": stats.lognorm(1.0).ppf, "bimodal": bimodal, "heavy-tailed": stats.pareto(1.1).ppf}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("p", "n"), [(0.5, 100), (0.95, 1000), (0.99, 1000)])
def test_the_interval_of_a_quantile_holds_as_often_as_the_binomial_says(shape, p, n):
    rng = np.random.default_rng(7)
    true = float(SHAPES[shape](np.array([p]))[0])
    low, high = {(0.5, 100): (40, 61), (0.95, 1000): (936, 964), (0.99, 1000): (983, 997)}[p, n]
    exact = stats.binom.cdf(high - 1, n, p) - stats.binom.cdf(low - 1, n, p)
    held = 0
    for _ in range(RUNS):
        ends = Quantile.of(Ranked.of(SHAPES[shape](rng.random(n))), p).ends(0.95)
        held += ends.low <= true <= ends.high
    assert held / RUNS >= 0.95 - error_of(0.95)
    assert held / RUNS == pytest.approx(exact, abs=error_of(exact))
