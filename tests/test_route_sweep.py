"""The requests of a sweep: pairs as they are, single rows by bands of their score, a cascade's second answer behind its first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgeroi.asked import Asked
from edgeroi.calibration import chosen, curve_of
from edgeroi.errors import NoAnswer
from edgeroi.replay import Replay
from edgeroi.request import Batch, Labels
from edgeroi.spec import Condition
from edgeroi.sweeping import Rule, keys_of, swept

NAN = float("nan")
RULE = Rule("confidence", "edge", "cloud", rising=True)


def replay_of(rows: Sequence[Mapping[str, object]]) -> Replay:
    numbers = ("latency_ms", "quality", "confidence", "cost_usd", "input_tokens")
    batch = Batch(
        len(rows),
        np.array([bool(row.get("failed")) for row in rows]),
        {name: np.array([row.get(name, NAN) for row in rows], float) for name in numbers},
        {name: Labels.of([row.get(name) for row in rows], len(rows)) for name in ("placement", "pair_id", "request_id")},  # type: ignore[misc]
    )
    options = ("edge", "cloud")
    served = np.array([options.index(str(row["placement"])) for row in rows])
    return Replay(Asked.of(batch, served, options), dict.fromkeys(options), batch.numbers["cost_usd"], {})


def rows_of(n: int, seed: int, *, paired: bool) -> list[dict[str, object]]:
    """A confidence; the edge is right with that probability, the cloud with 0.9. Single rows go to the edge with that probability too."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for number in range(n):
        confidence = rng.random()
        good = {"edge": rng.random() < confidence, "cloud": rng.random() < 0.9}
        places = ("edge", "cloud") if paired else (("edge",) if rng.random() < 0.1 + 0.8 * confidence else ("cloud",))
        for place in places:
            took, usd = (100.0 + 50 * rng.random(), 1.0) if place == "edge" else (400.0 + 50 * rng.random(), 5.0)
            row = {"placement": place, "latency_ms": took, "cost_usd": usd, "quality": float(good[place]), "confidence": confidence}
            rows.append(row | ({"pair_id": f"p{number}"} if paired else {"request_id": f"r{number}"}))
    return rows


def test_single_rows_come_to_the_same_curve_as_pairs_though_a_router_sent_the_sure_ones_to_the_edge() -> None:
    # q(t) = 0.9 t + (1 - t^2) / 2 and 1 + 4 t USD, whatever the log's own router did.
    for paired in (True, False):
        found = swept(replay_of(rows_of(12_000, 3, paired=paired)), RULE, None)
        assert found.sweep.paired is paired
        curve = curve_of(found.sweep)
        for point in curve.points[1:-1:10]:
            t = point.threshold
            assert t is not None
            assert point.quality == pytest.approx(0.9 * t + (1 - t * t) / 2, abs=0.025)
            assert point.usd == pytest.approx(1 + 4 * t, abs=0.06)
        at_half = min(curve.points[1:-1], key=lambda point: abs((point.threshold or 0) - 0.5))
        assert 100 <= at_half.p50 <= 450
        assert at_half.p99 > 430
    # What the edge's own rows would say without the bands: they are the sure ones.
    rows = rows_of(12_000, 3, paired=False)
    naive = np.mean([row["quality"] for row in rows if row["placement"] == "edge"])  # type: ignore[misc]
    assert naive - (curve.points[0].quality or 0) > 0.08


def test_the_weights_of_both_sides_are_those_of_all_requests_band_by_band() -> None:
    found = swept(replay_of(rows_of(3000, 5, paired=False)), RULE, None).sweep
    for side in (found.weak, found.strong):
        assert side.weight.sum() == pytest.approx(1)
        shares = np.histogram(side.score, bins=10, range=(0, 1), weights=side.weight)[0]
        np.testing.assert_allclose(shares, 0.1, atol=0.03)


def test_bands_one_option_never_answered_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(1)
    rows = [{"placement": "edge", "latency_ms": 1.0, "confidence": float(c), "cost_usd": 1.0} for c in rng.uniform(0.3, 1.0, 200)]
    rows += [{"placement": "cloud", "latency_ms": 2.0, "confidence": float(c), "cost_usd": 2.0} for c in rng.uniform(0.0, 0.75, 200)]
    rows += [{"placement": "cloud", "latency_ms": 2.0} for _ in range(7)]
    found = swept(replay_of(rows), RULE, None)
    assert found.untold == 7
    assert found.left_out > 100
    assert found.requests + found.left_out + found.untold == 407
    assert found.sweep.weak.score.min() > 0.25
    assert found.sweep.strong.score.max() < 0.85
    apart = [row for row in rows if row["placement"] == "edge" or row.get("confidence", 0) < 0.35]  # type: ignore[operator]
    with pytest.raises(NoAnswer, match="answered requests with a like confidence for .* only"):
        swept(replay_of(apart), RULE, None)
    with pytest.raises(NoAnswer, match="no request of the log tells input_tokens"):
        swept(replay_of(rows), Rule("input_tokens", "edge", "cloud", rising=False), None)


def test_requests_the_rule_is_not_for_are_left_out() -> None:
    rows = [{**row, "input_tokens": float(place % 4 < 2)} for place, row in enumerate(rows_of(400, 4, paired=True))]  # every other pair
    found = swept(replay_of(rows), replace(RULE, others=(Condition("input_tokens", ">=", ("1",)),)), None)
    assert (found.requests, found.untold, found.left_out) == (200, 0, 200)


def test_a_cascade_pays_and_waits_for_both() -> None:
    found = swept(replay_of(rows_of(500, 7, paired=True)), Rule("confidence", "edge", "cloud", True, True, 0.5, 20.0), None).sweep
    np.testing.assert_allclose(found.weak.usd, 1.5)
    np.testing.assert_allclose(found.strong.usd, 6.5)
    assert (found.weak.ms >= 120).all()
    assert (found.strong.ms >= 520).all()
    with pytest.raises(NoAnswer, match="was asked of both"):
        swept(replay_of(rows_of(500, 7, paired=False)), Rule("confidence", "edge", "cloud", True, True), None)


def test_a_failure_is_of_no_quality_and_an_unrated_answer_is_left_out() -> None:
    rows = rows_of(200, 2, paired=True)
    rows[0] |= {"failed": True, "quality": NAN}
    rows[2] |= {"quality": NAN}
    found = swept(replay_of(rows), RULE, None)
    assert found.requests == 199
    assert found.left_out == 1
    assert found.sweep.weak.quality[0] == 0.0


def test_halves_go_by_the_request() -> None:
    paired, single = replay_of(rows_of(3, 1, paired=True)).asked, replay_of(rows_of(3, 1, paired=False)).asked
    assert keys_of(paired) == ["p0", "p1", "p2"]
    assert keys_of(single) == ["r0", "r1", "r2"]
    bare = [{key: value for key, value in row.items() if key != "request_id"} for row in rows_of(3, 1, paired=False)]
    assert len(set(keys_of(replay_of(bare).asked))) == 3


def worth(ms: np.ndarray, failed: np.ndarray, quality: np.ndarray, usd: np.ndarray) -> np.ndarray:
    """Quality less a twentieth of the cost."""
    return quality - usd / 20


def test_a_planted_threshold_is_within_its_interval_where_every_request_has_one_answer() -> None:
    # Edge c - .05, cloud .9 - .25: the best confidence is 0.7. A floor of 0.825 = .9 t + (1 - t^2) / 2 is met at t = 0.5.
    held = np.zeros(2)
    for seed in range(150):
        replay = replay_of(rows_of(2000, seed, paired=False))
        edges = swept(replay, RULE, worth).sweep.edges
        first = np.random.default_rng(seed).random(replay.asked.n) < 0.5
        one, two = (swept(replay, RULE, worth, among, edges).sweep for among in (first, ~first))
        for place, (goal, limit, planted) in enumerate((("max-net", None, 0.7), ("min-cost", 0.825, 0.5))):
            low, high = chosen(one, two, goal, limit).interval  # type: ignore[arg-type]
            held[place] += (low or 0.0) <= planted <= (high or 1.0)
    assert (held / 150 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 150)).all()


def test_what_the_other_half_says_holds_as_often_as_stated_where_every_request_has_one_answer() -> None:
    """The truth at the chosen threshold t: 1 - t of the requests stay at the edge, and cost 1 USD instead of 5."""
    held = np.zeros(4)
    for seed in range(100):
        replay = replay_of(rows_of(1200, 1000 + seed, paired=False))
        edges = swept(replay, RULE, worth).sweep.edges
        first = np.random.default_rng(seed).random(replay.asked.n) < 0.5
        one, two = (swept(replay, RULE, worth, among, edges).sweep for among in (first, ~first))
        best = chosen(one, two, "max-net")
        found, t = best.held_out, min(max(best.score, 0.0), 1.0)
        true = (0.9 * t + (1 - t * t) / 2, 1 + 4 * t, (1 - t * t) / 2 - 0.7 * (1 - t), t)
        for place, told in enumerate((found.quality, found.usd, found.worth, found.strong_share)):
            assert told is not None
            held[place] += told.low <= true[place] <= told.high
    assert (held / 100 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 100)).all(), held
