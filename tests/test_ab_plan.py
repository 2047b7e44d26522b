"""The size of an experiment: published sizes, what the log's users have in common, and whether the size does what it says."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_ab import ended, told, written
from test_schemas import broken_by

import edgeroi
from edgeroi.arms import BY_NAME, Requests, RowArm
from edgeroi.effects import Clusters, Quantile, Ranked, effect
from edgeroi.sample_sizes import (
    Wanted,
    design_effect,
    for_log_ratio,
    for_margin,
    for_shares,
    intraclass_correlation,
    log_quantile_variance,
    sizes_for,
)

#: One request's part in the variance of ln p50 and ln p99 of a lognormal of sigma 0.5: p(1 - p)(0.5/phi(z))^2.
SPREAD = {p: p * (1 - p) * (0.5 / stats.norm.pdf(stats.norm.ppf(p))) ** 2 for p in (0.5, 0.95, 0.99)}


def test_one_miss_in_a_hundred_against_two_takes_2319_of_each_arm():
    assert math.ceil(for_shares(0.01, 0.02, Wanted())) == 2319


@pytest.mark.parametrize(("p", "size"), [(0.5, 617), (0.99, 5470)])
def test_the_published_sizes_of_a_lognormal_are_those_of_a_log_ratio_of_a_tenth(p, size):
    """617 and 5,470 of sigma 0.5, for an effect of 0.1 on the logarithm: a change of e^0.1 - 1."""
    assert for_log_ratio(SPREAD[p], Wanted(math.expm1(0.1))) == pytest.approx(size, abs=1)


def test_a_margin_takes_what_two_means_take():
    """(1.959964 + 0.841621)^2 x 2 x 0.25 / 0.1^2."""
    assert for_margin(0.25, 0.1, Wanted()) == pytest.approx(392.4, abs=0.1)


@pytest.mark.parametrize(("p", "error"), [(0.5, 0.05), (0.95, 0.08), (0.99, 0.12)])
def test_the_log_tells_how_dense_requests_are_at_a_quantile(p, error):
    ranked = Ranked.of(np.exp(4 + 0.5 * np.random.default_rng(1).standard_normal(1_000_000)))
    assert log_quantile_variance(ranked, p) == pytest.approx(SPREAD[p], rel=error)


def test_a_log_too_small_for_its_p99_is_not_asked_for_it():
    assert math.isinf(log_quantile_variance(Ranked.of(np.arange(1.0, 50)), 0.99))


def test_what_users_have_in_common_is_found_again():
    """Intraclass correlation 0.3 and 20 requests each: the design effect is 1 + 19 x 0.3 = 6.7."""
    rng = np.random.default_rng(2)
    scores = math.sqrt(0.3) * np.repeat(rng.standard_normal(3000), 20) + math.sqrt(0.7) * rng.standard_normal(60_000)
    clusters = Clusters.of(np.repeat(np.arange(3000), 20), 3000, scores)
    icc = intraclass_correlation(clusters, float(scores.var(ddof=1)))
    assert icc == pytest.approx(0.3, abs=0.02)
    assert design_effect(clusters, icc) == pytest.approx(6.7, abs=0.4)


def test_the_analysis_of_variance_by_hand():
    """Two users, (1, 3) and (5, 7, 9): mean 5, between 2(2 - 5)^2 + 3(7 - 5)^2 = 30 on 1, within 2 + 8 = 10 on 3, mean size
    (5 - 13/5)/1 = 2.4: ICC = (30 - 10/3)/(30 + 1.4 x 10/3)."""
    values = np.array([1.0, 3, 5, 7, 9])
    clusters = Clusters.of(np.array([0, 0, 1, 1, 1]), 2, values)
    assert intraclass_correlation(clusters, float(values.var(ddof=1))) == pytest.approx((30 - 10 / 3) / (30 + 1.4 * 10 / 3))
    assert design_effect(clusters, 0.5) == 1 + (13 / 5 - 1) * 0.5


def test_days_are_those_of_both_arms_at_the_logs_rate():
    frame = told(4000, arms=("cloud", "cloud"), factor=1.0)
    plan = edgeroi.ab_plan(frame, effect=-0.05)
    size = plan.size("p50")
    span = (frame.timestamp.max() - frame.timestamp.min()) / pd.Timedelta(days=1)
    assert size.days == math.ceil(2 * size.requests / (4000 / span))
    assert size.requests == pytest.approx(for_log_ratio(math.pi / 2 * 0.16, Wanted(-0.05)), rel=0.2)  # pi/2 sigma^2 at the median
    assert edgeroi.ab_plan(frame, effect=0.05).size("p50").requests > size.requests  # ln 1.05 is less than -ln 0.95
    assert edgeroi.ab_plan(frame.assign(timestamp=frame.timestamp.min())).size("p50").days is None


def test_a_number_the_log_cannot_tell_says_why():
    frame = told(2000).assign(status=np.where(np.arange(2000) % 20, 200, 500))
    plan = edgeroi.ab_plan(frame, deadline_ms=1e6)
    assert (plan.size("p99").requests, plan.size("p99").why) == (None, "it falls among the failures")
    assert edgeroi.ab_plan(told(2000), deadline_ms=1e6).size("miss_ratio").why.startswith("none in the log")


def test_the_document_keeps_its_schema(tmp_path, capsys):
    log = written(told(2000), tmp_path / "x.jsonl")
    for more in ((), ("--unit", "user_id", "--where", "placement=cloud"), ("--effect", "+100%", "--deadline", "300ms", "--power", "90%")):
        assert ended("ab-plan", log, "--format", "json", *more) == 0
        document = json.loads(capsys.readouterr().out)
        assert broken_by("ab-plan", document) == []
    assert (document["effect"], document["power"]) == (1.0, 0.9)
    assert ended("ab-plan", log) == 0
    assert "whole week" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--effect", "0%"), "is no change"),
        (("--effect", "100%"), "is no change"),
        (("--effect", "a tenth"), "is no change"),
        (("--where", "placement"), "is not COLUMN=VALUE"),
        (("--where", "placement=edgy"), "did you mean 'edge'"),
        (("--where", "latency_ms=3"), "names no group"),
        (("--power", "1%"), "no experiment finds it"),
    ],
)
def test_a_slip_is_told(tmp_path, capsys, options, said):
    assert ended("ab-plan", written(told(60), tmp_path / "x.jsonl"), *options) == 2
    assert said in capsys.readouterr().err


# --- what the size does ---

RUNS = 2000


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["p50", "p95", "p99"])
def test_an_effect_of_a_tenth_is_found_at_the_planned_size(metric):
    rng = np.random.default_rng(20261126)
    baseline = Requests(np.zeros(1_000_000, bool), {"latency_ms": np.exp(4 + 0.5 * rng.standard_normal(1_000_000))})
    n = next(size.requests for size in sizes_for(RowArm("today", baseline), "", Wanted(-0.10)) if size.metric.name == metric)
    assert n is not None
    p = BY_NAME[metric].p
    found = 0
    for _ in range(RUNS):
        control, treated = (np.exp(4 + 0.5 * rng.standard_normal(n)) * scale for scale in (1.0, 0.9))
        effects = effect(Quantile.of(Ranked.of(treated), p), Quantile.of(Ranked.of(control), p), "relative")
        found += effects.shown and effects.relative.value < 0
    assert found / RUNS == pytest.approx(0.80, abs=0.04)


@pytest.mark.slow
def test_an_effect_of_a_tenth_is_found_where_users_ask_twenty_times():
    """The size counts the design effect; without it the same experiment would find hardly half of the effects."""
    rng = np.random.default_rng(7)

    def rows(users, first, scale):
        scores = math.sqrt(0.3) * np.repeat(rng.standard_normal(users), 20) + math.sqrt(0.7) * rng.standard_normal(20 * users)
        unit = first + np.repeat(np.arange(users), 20)
        return Requests(np.zeros(20 * users, bool), {"latency_ms": scale * np.exp(4 + 0.5 * scores)}, unit=unit, k=first + users)

    size = next(size for size in sizes_for(RowArm("today", rows(20_000, 0, 1.0)), "", Wanted(-0.10)) if size.metric.name == "p50")
    assert size.units is not None
    found = 0
    for _ in range(RUNS):
        arms = [RowArm(name, rows(size.units, first, scale)) for name, first, scale in (("a", 0, 1.0), ("b", size.units, 0.9))]
        arms = [RowArm(arm.name, Requests(arm.rows.failed, arm.rows.numbers, unit=arm.rows.unit, k=2 * size.units)) for arm in arms]
        control, treated = (arm.sample(BY_NAME["p50"]) for arm in arms)
        found += effect(treated, control, "relative").shown
    assert found / RUNS == pytest.approx(0.80, abs=0.04)
    assert size.design > 2
