"""Net in many worlds at once: the same net as world by world, and errors of samples as samples drawn anew have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from judged import OPTIONS, TRAFFIC, decision, write_log
from scipy import stats

from edgeroi.billing import Billing, Loads
from edgeroi.cost import Capacity, Discount, Load, Operations, cost_of
from edgeroi.draws import Chance
from edgeroi.economics import SAMPLING, Books
from edgeroi.ensemble import Ensemble
from edgeroi.estimate import Range
from edgeroi.latency import Latency
from edgeroi.prices import Allowance, Bracket, Neurons, Price, Rate, Threshold
from edgeroi.sampling import error_of_gain, error_of_quantile
from edgeroi.values import ValueModel, gain_units
from edgeroi.values.deadline import Deadline
from edgeroi.values.elasticity import Elasticity
from edgeroi.values.linear_time import LinearTime

SERVED = f"workloads:\n  w:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
RANGED = """
options:
  cloud:
    placement: cloud
    price: {input: 0.05 (0.02..0.09) USD/Mtok}
    rtt: 95 (80..130) ms
    service: {p50: 60 (40..90) ms, p99: 300 (200..500) ms}
    errors: 1%
  edge:
    placement: edge
    price: {input: 0.20 (0.1..0.3) USD/Mtok, request: 0.000001 to 0.000003 USD/request}
    discount: 10 (0..20)%
    rtt: 12 (8..20) ms
    round_trips: 1
    service: {p50: 50 (30..80) ms, p95: 150 ms, p99: 250 (180..400) ms}
    errors: 1%
    cold_start: {share: 2 (1..5)%, adds: 300 (200..600) ms}
    origin_calls: {count: 1, rtt: 20 (10..40) ms}
    operations: {hours: 2 (1..6) h/month, rate: 60 to 120 USD/h}
    fixed: 5 (3..9) USD/month
    quality: 0.97 (0.95..0.99)
    assume: {why: so it is said, by: dana}
workloads:
  w:
    requests: 5M to 20M /month
    tokens: {input: 100 (50..200) tok, output: 0 tok}
    options: [cloud, edge]
    runs_on: edge
"""
MODELS = {
    "people": "    part_of: 700 (600..900) ms\n    value: {linear_time: {waiting: 5 to 40 USD/h, blocked: 30 (10..60)%}, why: w, by: b}\n",
    "machines": "    users: machines\n    value: {waiting: 5 to 40 USD/h, min_saving: 20 (10..40) ms, why: w, by: b}\n",
    "deadline": "    value: {deadline: {limit: 200 (150..300) ms, per_miss: 0.0001 to 0.001 USD/miss}, why: w, by: b}\n",
    "hinge": "    value: {deadline: {limit: 200 (150..300) ms, per_miss: 0.0001 to 0.001 USD/miss, hinge: true}, why: w, by: b}\n",
    "elasticity": "    value:\n      elasticity: {table: google2009, margin: 0.001 to 0.01 USD/request, reference: 40 (20..60) ms}\n",
    "quality": "    quality_value: 0.00001 to 0.0001 USD/request\n",
}


@pytest.mark.parametrize("model", MODELS)
def test_every_world_at_once_is_every_world_by_itself(tmp_path: Path, model: str) -> None:
    """All drivers drawn; net of 40 of the worlds asked one by one. What is felt, and who misses, is counted on coarser requests."""
    options = RANGED.replace("cloud\n    price", "cloud\n    quality: 0.9\n    price")
    books = decision(tmp_path, options + MODELS[model]).books
    prospect = books.prospect
    assert prospect is not None
    assert prospect.sampling is None
    some = range(0, 10_000, 250)
    alone = np.array([books.in_world({name: float(draws[k]) for name, draws in prospect.worlds.items()}).net for k in some])
    assert len(prospect.worlds) >= 14
    assert np.abs(prospect.net[list(some)] - alone).max() < 0.015 * np.ptp(alone)
    assert alone.std() > 0


def test_drawn_means_are_those_of_the_ranges(tmp_path: Path) -> None:
    """Net is 416.67 h x waiting - 195: 15 (5..40) has the mean 20, P is the share above 0.468 USD/h."""
    text = OPTIONS + SERVED + "    value: {waiting: 0.5 (0.2..0.7) USD/h, why: w, by: b}\n"
    prospect = decision(tmp_path, text).books.prospect
    assert prospect is not None
    hours = 10_000_000 * 150 / 3_600_000
    hour = stats.triang((0.5 - 0.2) / 0.5, 0.2, 0.5)
    assert prospect.net.mean() == pytest.approx(hour.mean() * hours - 195, abs=0.01)
    assert prospect.p_worth_it == pytest.approx(hour.sf(195 / hours), abs=2e-4)
    assert (prospect.quantile(0.05), prospect.quantile(0.95)) == pytest.approx(hour.ppf([0.05, 0.95]) * hours - 195, abs=0.05)


def test_nothing_drawn_where_nothing_moves(tmp_path: Path) -> None:
    books = decision(tmp_path, OPTIONS + SERVED + "    value: {waiting: 15 USD/h, why: w, by: b}\n").books
    assert (books.prospect, books.p_worth_it, books.bars) == (None, None, ())
    assert books.net_low == books.net_high == books.likely.net


def test_a_driver_more_changes_no_other_driver_s_draws(tmp_path: Path) -> None:
    text = OPTIONS + SERVED + "    value: {waiting: 15 (5..40) USD/h, why: w, by: b}\n"
    one = decision(tmp_path, text).books.worlds
    two = decision(tmp_path, text.replace("input: 0.20 USD", "input: 0.20 (0.1..0.3) USD")).books.worlds
    assert set(two) - set(one) == {"options.edge.price.input"}
    assert (one["w.value.waiting"] == two["w.value.waiting"]).all()


GUARDED = """
options:
  cloud: {placement: cloud, price: {request: 0.0004 (0.0003..0.0006) USD/request}, latency: {p50: 300 (250..380) ms, p99: 900 ms}}
  edge:
    placement: edge
    price: {request: 0.0002 (0.0001..0.0003) USD/request}
    latency: {p50: 120 (90..200) ms, p99: 2500 ms}
    fixed: 50 (30..90) USD/month
    assume: {why: so it is said, by: dana}
  guarded: {fallback: {first: edge, then: cloud, after: 500 (400..700) ms, correlation: 20 (0..60)%}}
workloads:
  w:
    requests: 1M (500k..2M) /month
    users: machines
    options: [cloud, edge, guarded]
    baseline: cloud
    runs_on: guarded
    value: {deadline: {limit: 800 ms, per_miss: 0.001 to 0.01 USD/miss}, why: w, by: b}
"""


def test_a_policy_is_drawn_through_its_parts(tmp_path: Path) -> None:
    """A fallback with every part of it a range: net of 25 worlds, asked one by one."""
    books = decision(tmp_path, GUARDED).books
    prospect = books.prospect
    assert prospect is not None
    assert {"options.guarded.fallback.after", "options.edge.latency.p50", "options.edge.fixed"} <= set(prospect.worlds)
    alone = np.array([books.in_world({name: float(draws[k]) for name, draws in prospect.worlds.items()}).net for k in range(25)])
    assert np.abs(prospect.net[:25] - alone).max() < 0.015 * np.ptp(alone)


# ---- the invoice ---------------------------------------------------------------------------------------------------------------


def rate(usd: str, unit: str = "Mtok", **more: object) -> Rate:
    return Rate(Decimal(usd), unit, **more)  # type: ignore[arg-type]


KNEURON = rate("0.011", "1k neurons", allowance=Allowance(Decimal(10), "day", "a"))
BRACKETS = (Bracket(Decimal(100), Decimal("0.9")), Bracket(Decimal(900), Decimal("0.5")))
PRICES = {
    "tokens": Price("p", "m", input=rate("3"), output=rate("15"), cached=rate("0.3"), cache_write=rate("3.75")),
    "no cached rate": Price("p", "m", input=rate("3"), output=rate("15")),
    "long context": Price("p", "m", input=rate("1", above=(Threshold(900, Decimal(2)), Threshold(1500, Decimal(4)))), output=rate("1")),
    "brackets": Price("p", "m", request=rate("0.3", "1k requests", brackets=BRACKETS)),
    "neurons": Price("p", "m", neurons=Neurons(Decimal(6058), Decimal(900), KNEURON)),
    "cached neurons": Price("p", "m", source="a list", neurons=Neurons(Decimal(6058), None, KNEURON, cached_per_mtok=Decimal(600))),
    "everything": Price(
        "p", "m", source="a list", input=rate("1"), request=rate("0.2", "1M requests"), cpu_ms=rate("0.02", "1M CPU ms"),
        egress_gb=rate("0.09", "GB"),
    ),
    "servers": Price("p", "m", server_hour=rate("2.5", "server-hour"), tokens_per_s=Decimal(2500)),
    "days of servers": Price("p", "m", server_hour=rate("1000", "30 server-days"), tokens_per_s=Decimal(900)),
}  # fmt: skip
OPERATIONS, DISCOUNT = Operations(Decimal(2), Decimal(100)), Discount(Decimal("0.125"))


@pytest.mark.parametrize("name", PRICES)
@pytest.mark.parametrize("sites", [1, 3])
def test_the_sum_is_that_of_the_invoice_line_by_line(name: str, sites: int) -> None:
    rng = np.random.default_rng(3)
    requests, tokens = rng.uniform(0, 3e6, 60).round(), rng.uniform(10, 2500, 60).round(1)
    cached = (tokens * rng.uniform(0, 0.5, 60)).round(1)
    capacity = Capacity(sites=sites)
    loads = Loads(requests, tokens, 50.0, cached, 2.0, requests * 1e-6, 30.0)
    found = Billing(PRICES[name], {}, capacity, 7.0, 200.0, 0.125).usd_month(loads)
    expected = [
        cost_of(
            PRICES[name],
            Load(*(Decimal(str(part)) for part in (calls, whole, 50, part, 2, calls * 1e-6, 30))),
            capacity=capacity,
            operations=OPERATIONS,
            discount=DISCOUNT,
        ).usd_month
        + 7
        for calls, whole, part in zip(requests, tokens, cached, strict=True)
    ]
    assert found == pytest.approx(np.array([float(usd) for usd in expected]), rel=1e-9)


def test_a_world_s_own_rate_wins() -> None:
    usd = np.array([1.0, 2.0])
    found = Billing(PRICES["tokens"], {"input": usd}).usd_month(Loads(1e6, 100.0, 10.0))
    assert found == pytest.approx(100 * usd + 10 * 15)


def test_servers_that_cannot_carry_a_world_are_joined_by_as_many_as_it_takes() -> None:
    """2,500 tokens/s x 2,628,000 s are 6,570 Mtok a month of one server: 10,000 Mtok take two, 20,000 four."""
    found = Billing(PRICES["servers"], {}, Capacity(servers=2)).usd_month(Loads(np.array([1e8, 2e8]), 100.0))
    assert found == pytest.approx(np.array([2, 4]) * 730 * 2.5)


# ---- latencies -----------------------------------------------------------------------------------------------------------------


def test_one_latency_in_many_worlds_is_exact() -> None:
    sample = Latency(np.array([10.0, 20.0, 400.0]), np.array([0.5, 0.4, 0.1]), 0.02, 10, "measured")
    ensemble = Ensemble.of(sample)
    assert (ensemble.quantile(0.5), ensemble.quantile(0.95)) == (10, 400)
    assert ensemble.slices(10)[0] == pytest.approx([10] * 5 + [20] * 4 + [400])


def test_a_coarser_one_keeps_its_mean_and_its_tail() -> None:
    exact = Latency.from_quantiles({0.5: 4500.0, 0.99: 9000.0})
    coarse = Ensemble.of(exact, 500)
    assert coarse.slices().mean() == pytest.approx(exact.mean_ms, rel=1e-9)
    assert [float(coarse.quantile(p)[0, 0]) for p in (0.5, 0.95, 0.99)] == pytest.approx(
        [exact.quantile(p) for p in (0.5, 0.95, 0.99)], rel=5e-3
    )


def test_a_mixture_s_quantiles_are_those_of_its_atoms() -> None:
    near, far = Latency.constant(10.0), Latency.constant(100.0)
    mixed = Ensemble.of(near).shared_with([(np.array([[0.3], [0.6]]), Ensemble.of(far))], np.array([[0.7], [0.4]]))
    assert mixed.quantile(0.5)[:, 0] == pytest.approx([10, 100])
    assert mixed.slices(10).sum(axis=1) == pytest.approx([7 * 10 + 3 * 100, 4 * 10 + 6 * 100])


# ---- what a sample leaves unknown: against samples drawn anew ------------------------------------------------------------------

WAITING = LinearTime(Range.point(36.0))
CHANCE = Chance(3, 10_000)


def sampled(values: np.ndarray, failures: int = 0) -> Latency:
    distinct, counts = np.unique(values, return_counts=True)
    return Latency(distinct, counts / values.size, failures / (values.size + failures), values.size, "measured")


def resampled(model: ValueModel, before: np.ndarray, after: np.ndarray, times: int = 2_000) -> Iterator[float]:
    """The gain of samples drawn anew from both, each as large."""
    rng = np.random.default_rng(11)
    for _ in range(times):
        yield gain_units(model, *(sampled(rng.choice(side, side.size)) for side in (before, after)), {})


LOSSES: dict[str, ValueModel] = {
    "waiting": WAITING,
    "deadline": Deadline(Range.point(180.0), Range.point(0.01)),
    "hinge": Deadline(Range.point(180.0), Range.point(0.01), hinge=True),
    "elasticity": Elasticity("google2009", Range.point(1.0), Range.point(50.0)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_error_of_a_gain_is_that_of_samples_drawn_anew(name: str) -> None:
    rng = np.random.default_rng(5)
    before, after = rng.lognormal(np.log(150), 0.4, 300).round(1), rng.lognormal(np.log(90), 0.6, 200).round(1)
    found = error_of_gain(LOSSES[name], sampled(before), sampled(after), ("one", "two"), CHANCE)
    assert found is not None
    anew = np.array(list(resampled(LOSSES[name], before, after)))
    assert found.std() == pytest.approx(anew.std(), rel=0.05)  # 2,000 samples tell a deviation within 1.6 %
    assert abs(found.mean()) < 0.06 * found.std()


def test_a_share_of_none_in_few_requests_is_not_none() -> None:
    """No miss in 30 requests: half of the posterior lies above 0.75 %, Jeffreys' Beta(1/2, 30.5)."""
    side, other = sampled(np.full(30, 10.0)), Latency.constant(10.0)
    error = error_of_gain(LOSSES["deadline"], side, other, ("one", ""), CHANCE)
    assert error is not None
    assert np.median(error) == pytest.approx(stats.beta.median(0.5, 30.5), rel=0.01)


def test_failures_err_too() -> None:
    """Half of 100 requests fail, a failure is a miss: a share of 0.5 with a deviation of 0.05."""
    side = sampled(np.full(50, 10.0), failures=50)
    error = error_of_gain(LOSSES["deadline"], side, Latency.constant(10.0), ("one", ""), CHANCE)
    assert error is not None
    assert error.std() == pytest.approx(0.05, rel=0.02)


def test_one_sample_twice_does_not_err() -> None:
    side = sampled(np.random.default_rng(1).lognormal(5, 0.5, 200))
    for model in LOSSES.values():
        same = error_of_gain(model, side, side, ("one", "one"), CHANCE)
        assert same is not None
        assert not np.any(same)
        moved = error_of_gain(WAITING, side, side.shifted(30), ("one", "one"), CHANCE)
        assert moved is not None
        assert np.abs(moved).max() < 1e-6  # the mean of a constant difference is known


def test_two_samples_err_independently() -> None:
    side, other = (sampled(np.random.default_rng(k).lognormal(5, 0.5, 200)) for k in (1, 2))
    alone = error_of_gain(WAITING, side, Latency.constant(1.0), ("one", ""), CHANCE)
    both = error_of_gain(WAITING, side, other, ("one", "two"), CHANCE)
    assert alone is not None
    assert both is not None
    assert both.std() > 1.2 * alone.std()


def test_the_error_of_a_quantile_is_that_of_samples_drawn_anew() -> None:
    rng = np.random.default_rng(2)
    values = rng.lognormal(5, 0.5, 500)
    error = error_of_quantile(sampled(values), 0.9, CHANCE.rng("q"), CHANCE.draws)
    anew = [np.sort(rng.choice(values, 500))[449] for _ in range(2_000)]
    assert error.std() == pytest.approx(np.std(anew), rel=0.08)


# ---- measured on both sides ----------------------------------------------------------------------------------------------------


def two_logs(tmp_path: Path, before: np.ndarray, after: np.ndarray, head: str = "", value: str = "waiting: 36 USD/h") -> Books:
    for name, values in (("cloud", before), ("edge", after)):
        (tmp_path / f"{name}.jsonl").unlink(missing_ok=True)
        write_log(tmp_path / f"{name}.jsonl", values.tolist(), placement=name)
    options = "".join(f"  {side}: {{placement: {side}, price: {{input: 1 USD/Mtok}}, log: {side}.jsonl}}\n" for side in ("cloud", "edge"))
    served = "  search:\n    requests: 1M /month\n    users: machines\n    options: [cloud, edge]\n    runs_on: edge\n"
    return decision(
        tmp_path, f"seen_from: client\noptions:\n{options}workloads:\n{served}    value: {{{value}, why: w, by: b}}\n{head}"
    ).books


def test_a_mean_saved_is_as_sure_as_its_standard_error(tmp_path: Path) -> None:
    """A millisecond of 1 M requests is 10 USD at 36 USD/h; the error of a mean is s / sqrt(n), of both sides."""
    rng = np.random.default_rng(4)
    before, after = rng.normal(200, 30, 400).round(3), rng.normal(198, 20, 300).round(3)
    books = two_logs(tmp_path, before, after)
    error = 10 * np.hypot(before.std() / 20, after.std() / 300**0.5)
    saved = 10 * (before.mean() - after.mean())
    assert books.likely.net == pytest.approx(saved, rel=1e-3)
    assert books.p_worth_it == pytest.approx(stats.norm.cdf(saved / error), abs=0.01)
    assert [bar.driver.name for bar in books.bars] == [SAMPLING]
    assert books.bars[0].low_net == pytest.approx(saved - 1.645 * error, abs=0.03 * error)
    assert books.turn_of(books.bars[0]) is None


def test_how_many_more_requests_would_settle_it(tmp_path: Path) -> None:
    """Net / error has to reach 1.2816: of both samples as many times as large as the square of what is missing."""
    rng = np.random.default_rng(9)
    before = rng.normal(200, 30, 400)
    books = two_logs(tmp_path, (before - before.mean() + 200).round(3), (rng.permutation(before) - before.mean() + 199).round(3))
    error = 10 * before.std() * (2 / 400) ** 0.5
    factor = (stats.norm.ppf(0.9) * error / books.likely.net) ** 2
    assert factor > 1.5
    assert books.requests_to_settle(0.90, 0.10) == pytest.approx(400 * (factor - 1), rel=0.08)


def test_a_number_of_requests_is_named_only_where_samples_decide(tmp_path: Path) -> None:
    text = OPTIONS + SERVED + "    value: {waiting: 0.5 (0.4..0.6) USD/h, why: w, by: b}\n"
    assert decision(tmp_path, text).books.requests_to_settle(0.90, 0.10) is None


# ---- drivers -------------------------------------------------------------------------------------------------------------------

#: reference/economics.md 3.4: net = N (v - dc) - F with N = 1e6, v = .0008, dc = .0003, F = 300.
TORNADO = """
options:
  cloud: {placement: cloud, price: {request: 0 USD/request}, latency: 300 ms, quality: 0}
  edge:
    placement: edge
    price: {request: 0.0003 (0.0002..0.0005) USD/request}
    latency: 300 ms
    quality: 1
    fixed: 300 (100..1500) USD/month
    assume: {why: so it is said, by: dana}
workloads:
  w:
    requests: 1M (300k..2M) /month
    options: [cloud, edge]
    runs_on: edge
    quality_value: 0.0008 (0.0002..0.0020) USD/request
"""


def test_the_worked_tornado_with_its_break_evens(tmp_path: Path) -> None:
    books = decision(tmp_path, TORNADO).books
    assert books.likely.net == pytest.approx(200)
    found = {bar.driver.name: (bar.low_net, bar.high_net) for bar in books.bars}
    assert list(found) == ["w.quality_value", "options.edge.fixed", "w.requests", "options.edge.price.request"]  # the widest first
    assert found["w.quality_value"] == pytest.approx((-400, 1400))
    assert found["options.edge.fixed"] == pytest.approx((400, -1000))
    assert found["w.requests"] == pytest.approx((-150, 700))
    assert found["options.edge.price.request"] == pytest.approx((300, 0), abs=1e-9)
    turns = [books.turn_of(bar) for bar in books.bars]
    assert turns == pytest.approx([0.0006, 500, 600_000, 0.0005], rel=1e-9)


def test_a_driver_that_cannot_turn_it_has_no_break_even(tmp_path: Path) -> None:
    """A request worth a tenth of a cent more: whatever the discount of up to 100 %, the edge pays."""
    text = TORNADO.replace("quality: 1\n", "quality: 1\n    discount: 10 (0..20)%\n").replace(
        "0.0008 (0.0002..0.0020)", "0.01 (0.009..0.011)"
    )
    books = decision(tmp_path, text).books
    (bar,) = [bar for bar in books.bars if bar.driver.name == "options.edge.discount"]
    turn = books.turn_of(bar)
    assert turn is None or not -0.1 < turn <= 1
    assert books.p_worth_it == 1


def test_the_driver_worth_most_to_know_is_the_one_that_decides(tmp_path: Path) -> None:
    books = decision(tmp_path, TORNADO).books
    worth = {bar.driver.name: books.worth_knowing(bar.driver) for bar in books.bars}
    assert books.deciding is not None
    assert worth[books.deciding.driver.name] == max(worth.values())
    assert books.prospect is not None
    assert 0 < max(worth.values()) <= books.prospect.evpi


def test_another_seed_draws_other_worlds_and_says_the_same(tmp_path: Path) -> None:
    books = decision(tmp_path, TORNADO).books
    others = [replace(books, chance=Chance(seed)).p_worth_it for seed in range(5)]
    assert len(set(others)) > 1
    assert np.ptp(np.array(others, np.float64)) < 0.02
