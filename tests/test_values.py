"""What latency is worth: the worked figures, the gate, and every value model's conformance."""

from __future__ import annotations

import ast
import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest

import edgeroi.values
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Range
from edgeroi.felt import Felt, notice_probability, notice_weight, noticed, whole_path_ms
from edgeroi.histogram import LatencyHistogram
from edgeroi.latency import Latency, mixture
from edgeroi.values import Gated, model_named, model_names, quality_usd_month, value_usd_month
from edgeroi.values.deadline import Deadline
from edgeroi.values.elasticity import TABLES, Elasticity
from edgeroi.values.linear_time import LinearTime
from edgeroi.values.none import NoValue

TEN_MILLION = 10_000_000
EDGE, CLOUD = Latency.constant(20), Latency.constant(170)


def of(values_ms, failure_ratio=0.0):
    return Latency.of(LatencyHistogram.from_ms(np.asarray(values_ms, float)), failure_ratio)


TOY_EDGE, TOY_CLOUD = of([20.0] * 8 + [40.0, 400.0]), of([170.0] * 8 + [180.0, 190.0])


def point(value, name=""):
    return Range.point(value, name)


def worth(model, baseline=CLOUD, candidate=EDGE, requests=TEN_MILLION, **more):
    return value_usd_month(model, baseline, candidate, requests, **more)


# ---- the seed scenario: 10 million requests, 170 ms against 20 ms ----


def test_no_value():
    assert worth(NoValue()) == 0


@pytest.mark.parametrize(("waiting", "usd"), [(15, 6250.00), (100, 41_666.67)])
def test_linear_time(waiting, usd):
    # 10,000,000 x 150 ms = 416.667 h
    assert worth(LinearTime(point(waiting))) == pytest.approx(usd, abs=0.005)


def test_deadline_with_the_miss_rates_as_stated():
    assert worth(Deadline(point(200), point(0.001)), baseline=CLOUD.with_failures(0.005)) == pytest.approx(50.00)
    late = mixture([(0.995, CLOUD), (0.005, Latency.constant(201))])
    assert worth(Deadline(point(200), point(0.001)), baseline=late) == pytest.approx(50.00)


@pytest.mark.parametrize(("margin", "usd"), [(0.001, 24.50), (0.01, 245.00)])
def test_elasticity_is_read_against_the_fastest_option(margin, usd):
    # 150 ms of delay: 0.0020 + (0.0029 - 0.0020) * 50/100 = 0.00245
    assert worth(Elasticity("google2009", point(margin)), fastest_p50_ms=20) == pytest.approx(usd)


def test_elasticity_against_zero_is_another_number():
    # g(170) - g(20) = 0.00263 - 0.0004 = 0.00223
    assert worth(Elasticity("google2009", point(0.001), reference=point(0)), fastest_p50_ms=20) == pytest.approx(22.30)


def test_a_stage_of_a_long_answer_is_not_felt():
    # 5,000 -> 4,850 ms is 3 %: below 20 %
    assert worth(LinearTime(point(15)), felt=Felt(), part_of_ms=5000) == 0
    assert worth(LinearTime(point(15)), felt=Felt()) == pytest.approx(6250)
    assert worth(LinearTime(point(15)), felt=Felt(), part_of_ms=750) == pytest.approx(6250)  # 150 of 750 is 20 %
    assert worth(LinearTime(point(15)), felt=Felt(), part_of_ms=751) == 0


# ---- the toy pair ----


def test_toy_linear_time():
    assert worth(LinearTime(point(20)), TOY_CLOUD, TOY_EDGE, 1) == pytest.approx(0.000627778, abs=5e-10)


@pytest.mark.parametrize(("limit", "usd"), [(150, 0.009), (175, 0.001), (300, -0.001)])
def test_toy_deadlines(limit, usd):
    assert worth(Deadline(point(limit), point(0.01)), TOY_CLOUD, TOY_EDGE, 1) == pytest.approx(usd)


def test_toy_hinge():
    # edge: one of ten 225 ms late; cloud: 180 and 190 are 5 and 15 ms late: 0.02 - 0.225 s over 10 requests
    model = Deadline(point(175), point(0.01), hinge=True)
    assert worth(model, TOY_CLOUD, TOY_EDGE, 10) == pytest.approx(0.01 * (0.020 - 0.225))


def test_blocked_share_scales_linear_time():
    assert worth(LinearTime(point(15), blocked=point(0.3))) == pytest.approx(1875)


# ---- the felt gate ----


@pytest.mark.parametrize(
    ("before", "after", "felt"), [(5000, 4950, False), (170, 20, True), (300, 250, False), (1000, 800, True), (1000, 801, False)]
)
def test_felt_cases(before, after, felt):
    assert Felt().felt(before, before - after) is felt


def test_felt_is_not_upset_by_rounding():
    assert Felt(share=0.1, ms=0).felt(0.3, 0.1 * 0.3 - 1e-17)
    assert Felt().felt(610, 0.2 * 610)
    assert not Felt().felt(610, 121.9)


def test_how_much_would_be_felt():
    assert Felt().felt_from_ms(610) == pytest.approx(122)
    assert Felt().felt_from_ms(170) == 100
    assert Felt(ms=50).felt_from_ms(170) == 50


@pytest.mark.parametrize(
    ("before", "after", "p"), [(5000, 4950, 0.514830), (1000, 900, 0.651649), (1000, 2500 / 3, 0.75), (1000, 700, 0.906499)]
)
def test_soft_gate(before, after, p):
    assert notice_probability(before, after) == pytest.approx(p, abs=1e-6)
    assert notice_weight(before, after) == pytest.approx(2 * p - 1, abs=2e-6)
    assert notice_weight(after, before) == 0


def test_the_gate_judges_quantile_by_quantile():
    # nine of ten requests save 50 of 200 ms (unfelt), one saves 1,000 of 2,000 ms (felt)
    before, after = of([200.0] * 9 + [2000.0]), of([150.0] * 9 + [1000.0])
    per_hour = LinearTime(point(3600))  # a thousandth of a dollar a millisecond
    assert worth(per_hour, before, after, 10) == pytest.approx(1.45)
    assert worth(per_hour, before, after, 10, felt=Felt()) == pytest.approx(1.00)
    seen = noticed(Felt(), before, after)
    assert (seen.at_p50, seen.at_p99) == (False, True)
    assert seen.share == pytest.approx(0.1)
    assert seen.felt_from_ms == 100


def test_the_last_digit_of_a_weight_is_no_slowdown():
    spread = np.linspace(100, 400, 7)
    uneven = mixture([(0.6, of(spread)), (0.4, of(spread + 30))])  # never faster than its first part, and at most 30 ms slower: not felt
    assert worth(LinearTime(point(15)), uneven, of(spread), felt=Felt()) == 0
    slower = of(spread + 0.001)
    assert worth(LinearTime(point(15)), of(spread), slower, felt=Felt()) == pytest.approx(-TEN_MILLION * 0.001 / 3.6e6 * 15, rel=1e-2)


def test_slowdowns_always_count():
    # half save 50 unfelt ms, half lose 10 ms: only the loss remains
    before, after = of([200.0, 300.0]), of([150.0, 310.0])
    assert worth(LinearTime(point(3600)), before, after, 2, felt=Felt()) == pytest.approx(-0.010)
    assert worth(LinearTime(point(3600)), before, after, 2) == pytest.approx(0.040)
    assert worth(LinearTime(point(15)), EDGE, CLOUD, felt=Felt()) == pytest.approx(-6250)


def test_least_saving_drops_small_savings_only():
    model = LinearTime(point(3600), min_saving_ms=point(60))
    before, after = of([200.0, 300.0, 400.0]), of([150.0, 200.0, 500.0])
    # 50 does not count, 100 does, the slowdown of 100 does
    assert worth(model, before, after, 3) == pytest.approx(0.0)
    assert worth(model, before, of([150.0, 200.0, 400.0]), 3) == pytest.approx(0.100)


def test_the_gate_leaves_other_models_alone():
    for model in (Deadline(point(150), point(0.01)), Elasticity("bing2009", point(0.01))):
        assert not isinstance(model, Gated)
        gated = worth(model, fastest_p50_ms=20, felt=Felt(), part_of_ms=60_000)
        assert gated == worth(model, fastest_p50_ms=20)
        assert gated > 0


def test_without_a_gate_pairing_does_not_matter():
    rng = np.random.default_rng(5)
    before, after = of(rng.lognormal(5, 1, 3000), 0.03), of(rng.lognormal(4, 1.5, 2000), 0.01)
    slowest = max(before.quantile(0.99), after.quantile(0.99))
    means = [part.mean_ms * (1 - part.failure_ratio) + slowest * part.failure_ratio for part in (before, after)]
    assert worth(LinearTime(point(3.6)), before, after, 1e6) == pytest.approx(means[0] - means[1])


def test_the_whole_path_moves_with_the_stage():
    stage = of([100.0] * 50 + [200.0] * 49 + [900.0])
    assert whole_path_ms(stage, np.array([100.0, 900.0]), 640).tolist() == [640, 1440]
    assert whole_path_ms(stage, np.array([100.0, 900.0]), None).tolist() == [100, 900]
    assert whole_path_ms(stage, np.array([100.0]), 30).tolist() == [100]  # a path is never shorter than its stage


# ---- failures ----


@pytest.mark.parametrize(
    "model",
    [
        LinearTime(point(15)),
        Deadline(point(200), point(0.001)),
        Deadline(point(200), point(0.001), hinge=True),
        Elasticity("google2009", point(0.01)),
    ],
    ids=["linear_time", "deadline", "hinge", "elasticity"],
)
def test_failing_fast_is_never_worth_more(model):
    values = [worth(model, candidate=EDGE.with_failures(ratio), fastest_p50_ms=20) for ratio in (0, 0.01, 0.5, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[3] < values[0]
    assert values[3] <= 0


def test_failures_cost_what_is_documented():
    # waited for as long as the slower p99, 170 ms: 1 % of 10 million x 150 ms at 15 USD/h
    lost = 62.50
    assert worth(LinearTime(point(15)), candidate=EDGE.with_failures(0.01)) == pytest.approx(6250 - lost)
    assert worth(Deadline(point(200), point(0.001)), candidate=EDGE.with_failures(0.01)) == pytest.approx(-100)
    # late by 1.8 s, where the slower p99 is 2,000 ms
    hinge = Deadline(point(200), point(0.001), hinge=True)
    assert hinge.failure_lost(2000, {}) * hinge.rate_usd({}) == pytest.approx(0.0018)
    assert hinge.failure_lost(170, {}) * hinge.rate_usd({}) == pytest.approx(0.001)
    # the longest delay of the table: 0.59 %
    lost = 0.01 * TEN_MILLION * 0.01 * 0.0059
    assert worth(Elasticity("google2009", point(0.01)), candidate=EDGE.with_failures(0.01), fastest_p50_ms=20) == pytest.approx(245 - lost)


# ---- laws of every model ----

ALL_MODELS = [
    NoValue(),
    LinearTime(point(15)),
    Deadline(point(100), point(0.01)),
    Deadline(point(100), point(0.01), hinge=True),
    Elasticity("google2009", point(0.01)),
    Elasticity(((0.0, 0.0), (50.0, 0.1), (500.0, 0.3)), point(0.01)),
]


@pytest.mark.parametrize("model", ALL_MODELS)
def test_an_option_is_worth_nothing_over_itself_and_the_opposite_the_other_way(model):
    one, two = of(np.random.default_rng(1).lognormal(5, 1, 500), 0.02), Latency.from_quantiles({0.5: 80, 0.99: 700})
    assert worth(model, one, one, fastest_p50_ms=50) == 0
    there, back = worth(model, one, two, fastest_p50_ms=50), worth(model, two, one, fastest_p50_ms=50)
    assert there == pytest.approx(-back)


@pytest.mark.parametrize("model", ALL_MODELS)
def test_longer_never_loses_less(model):
    lost = model.anchored(20).lost(np.linspace(0, 5000, 2001), {})
    assert (np.diff(lost) >= 0).all()
    assert lost[0] == 0
    assert model.failure_lost(5000, {}) >= 0
    assert model.rate_usd({}) >= 0


def test_a_world_moves_its_drivers():
    model = LinearTime(Range(15, 5, 40, "s.value.waiting", "triangular"), blocked=point(1, "s.value.blocked"))
    assert worth(model, world={"s.value.waiting": 40.0, "s.value.blocked": 0.5}) == pytest.approx(6250 * 40 / 15 / 2)
    limit = Deadline(point(200, "s.value.limit"), point(0.001))
    assert worth(limit, world={"s.value.limit": 100.0}) == pytest.approx(10_000)


def test_quality_is_signed():
    # 10 million requests, 2 points fewer of 100, at 0.01 USD a request and whole point of quality
    assert quality_usd_month(TEN_MILLION, 0.01, 0.97, 0.99) == pytest.approx(-2000)
    assert quality_usd_month(TEN_MILLION, 0.01, 0.99, 0.97) == pytest.approx(2000)


# ---- elasticity tables ----


def test_nothing_is_extrapolated():
    model = Elasticity("bing2009", point(1.0), reference=point(300))
    lost = model.lost(np.array([0, 300, 800, 1300, 2300, 60_000.0]), {})
    assert lost == pytest.approx([0, 0, 0.014, 0.028, 0.043, 0.043])


def test_published_points():
    tables = {table.name: (table.points, table.grade) for table in TABLES}
    assert tables["google2009"] == (((0, 0), (100, 0.002), (200, 0.0029), (400, 0.0059)), "A")
    assert tables["bing2009"] == (((0, 0), (1000, 0.028), (2000, 0.043)), "A")
    assert tables["zalando2018"] == (((0, 0), (100, 0.007)), "B")
    assert {name for name, (_, grade) in tables.items() if grade in "CD"} == {"amazon2006", "akamai2017", "deloitte2020"}


@pytest.mark.parametrize("name", ["amazon2006", "akamai2017", "deloitte2020"])
def test_weak_evidence_is_accepted_by_name_only(name):
    with pytest.raises(EdgeroiError, match=r"weak evidence.*accept_weak_evidence: true"):
        Elasticity(name, point(0.01))
    accepted = Elasticity(name, point(0.01), accept_weak_evidence=True)
    assert worth(accepted, fastest_p50_ms=20) > 0
    assert any("grade C" in said or "grade D" in said for said in accepted.evidence)


def test_an_unknown_table_is_an_error_with_the_near_miss():
    with pytest.raises(EdgeroiError, match="did you mean 'google2009'"):
        Elasticity("gogle2009", point(0.01))


@pytest.mark.parametrize(
    "points",
    [(), ((0.0, 0.0),), ((10.0, 0.0), (100.0, 0.1)), ((0.0, 0.1), (100.0, 0.2)), ((0.0, 0.0), (0.0, 0.1)), ((0.0, 0.0), (100.0, 1.1))],
)
def test_points_that_are_no_table_are_refused(points):
    with pytest.raises(EdgeroiError, match=r"starts at no delay|does not follow"):
        Elasticity(points, point(0.01))


def test_an_elasticity_without_a_reference_cannot_be_read():
    with pytest.raises(ValueError, match="needs a reference"):
        worth(Elasticity("google2009", point(0.01)))


# ---- the socket ----


def test_models_are_the_files():
    files = sorted(path.stem for path in Path(edgeroi.values.__file__).parent.glob("*.py") if path.stem != "__init__")
    assert list(model_names()) == files == ["deadline", "elasticity", "linear_time", "none"]


def test_an_unknown_model_is_an_error_with_the_near_miss():
    with pytest.raises(EdgeroiError, match="did you mean 'linear_time'"):
        model_named("linear_tyme")


@pytest.mark.parametrize("name", ["deadline", "elasticity", "linear_time", "none"])
def test_each_model_conforms(name):
    model = model_named(name)
    assert model is importlib.import_module(f"edgeroi.values.{name}").MODEL
    assert model.name == name
    assert dataclasses.is_dataclass(model)
    assert model.__dataclass_params__.frozen
    keys = {field.name for field in dataclasses.fields(model)}
    assert {"why", "by"} <= keys
    assert set(model.units) <= keys
    for member in ("evidence", "anchored", "rate_usd", "lost", "failure_lost"):
        assert hasattr(model, member)


def test_each_model_has_a_sample_here():
    assert {type(model).name for model in ALL_MODELS} == set(model_names())
    assert all(model.evidence for model in ALL_MODELS)


@pytest.mark.parametrize("name", ["deadline", "elasticity", "linear_time", "none"])
def test_models_do_not_import_each_other(name):
    tree = ast.parse((Path(edgeroi.values.__file__).parent / f"{name}.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(module.startswith("edgeroi.values") for module in imported)
