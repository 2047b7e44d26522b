"""A policy over the requests of a log: pairs against the same rule asked request by request, single rows against their mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from edgeroi.asked import PROMPT_WORDS, Asked
from edgeroi.estimate import Range
from edgeroi.latency import Latency
from edgeroi.policy import Answers, fallback
from edgeroi.replay import Outcome, Replay, Stated
from edgeroi.request import Batch, Labels
from edgeroi.spec import Cascade, Condition, Fallback, Hedge, Policy, Route, RouteRule, Split

NAN = float("nan")


def ms(value: float) -> Range:
    return Range.point(value)


def batch_of(rows: Sequence[Mapping[str, object]]) -> Batch:
    """Rows as a log has them; what a row does not tell is unknown."""
    numbers = ("latency_ms", "ttft_ms", "input_tokens", "output_tokens", "quality", "confidence", "cost_usd")
    texts = ("placement", "pair_id", "prompt")
    return Batch(
        len(rows),
        np.array([bool(row.get("failed")) for row in rows]),
        {name: np.array([row.get(name, NAN) for row in rows], float) for name in numbers},
        {name: Labels.of([row.get(name) for row in rows], len(rows)) for name in texts},  # type: ignore[misc]
    )


def replayed(
    rows: Sequence[Mapping[str, object]], policies: Mapping[str, Policy | None], stated: Mapping[str, Stated] | None = None
) -> Replay:
    batch = batch_of(rows)
    options = [name for name, policy in policies.items() if policy is None]
    served = np.array([options.index(str(row["placement"])) if row["placement"] in options else -1 for row in rows])
    return Replay(Asked.of(batch, served, options), policies, batch.numbers["cost_usd"], stated or {})


def pairs(n: int, seed: int = 1) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for number in range(n):
        confidence = rng.random()
        for place, slow in (("edge", 300), ("cloud", 500)):
            failed = rng.random() < 0.1
            row = {
                "placement": place, "pair_id": f"p{number}", "latency_ms": float(rng.lognormal(np.log(slow), 0.6)), "failed": failed,
                "input_tokens": float(rng.integers(10, 900)), "confidence": confidence, "cost_usd": float(rng.random()),
                "quality": NAN if failed else float(rng.random() < 0.8),
            }  # fmt: skip
            rows.append({**row, "prompt": "explain it" if rng.random() < 0.3 else "short one"})
        rows[-1]["prompt"] = rows[-2]["prompt"]
        rows[-1]["input_tokens"] = rows[-2]["input_tokens"]
    return rows


LONG = RouteRule((Condition("input_tokens", ">=", ("400",)),), "cloud")
WORDY = RouteRule((Condition("prompt", "has_any_of", ("explain",)),), "guarded")
POLICIES: Mapping[str, Policy | None] = {
    "edge": None,
    "cloud": None,
    "guarded": Fallback("edge", "cloud", ms(400)),
    "on_error": Fallback("edge", "cloud", on=("error",)),
    "free": Fallback("edge", "cloud", ms(400), abandoned_free=True),
    "raced": Hedge("edge", "cloud", ms(250)),
    "checked": Cascade("edge", "cloud", confidence=0.6, judge=Range.point(0.05), judge_takes=ms(20)),
    "doubted": Cascade("edge", "cloud", escalated=Range.point(0.4), judge=Range.point(0.05), judge_takes=ms(20)),
    "parted": Split((("edge", Range.point(0.3)), ("cloud", Range.point(0.7)))),
    "sorted": Route((LONG, WORDY), "edge"),
    "behind": Fallback("parted", "guarded", ms(500)),
    "before": Fallback("edge", "parted", ms(300)),
}

Course = tuple[float, bool, float, float | None, str | None]  # ms, failed, USD, quality, who answered


def naive(name: str, sides: Mapping[str, Mapping[str, object]]) -> list[tuple[float, Course]]:
    """The courses of one request with their shares, straight from the words of the grammar."""
    policy = POLICIES[name]
    if policy is None:
        side = sides[name]
        failed = bool(side["failed"])
        return [
            (
                1.0,
                (
                    float(side["latency_ms"]),
                    failed,
                    float(side["cost_usd"]),
                    None if failed else float(side["quality"]),
                    None if failed else name,
                ),
            )
        ]  # type: ignore[arg-type]
    if isinstance(policy, Split):
        return [(share.likely * inner, course) for part, share in policy.shares for inner, course in naive(part, sides)]
    if isinstance(policy, Route):
        tokens, prompt = float(sides["edge"]["input_tokens"]), str(sides["edge"]["prompt"])  # type: ignore[arg-type]
        return naive("cloud" if tokens >= 400 else "guarded" if "explain" in prompt else "edge", sides)
    if isinstance(policy, Cascade) and policy.escalated is not None:
        (one,), (two,) = naive("edge", sides), naive("cloud", sides)
        kept, passed = (
            course_of(policy, one[1], two[1], {"edge": {"confidence": 1.0}}),
            course_of(policy, one[1], two[1], {"edge": {"confidence": 0.0}}),
        )
        return [(0.6, kept), (0.4, passed)]
    both = [(s1 * s2, one, two) for s1, one in naive(policy.first, sides) for s2, two in naive(policy.then, sides)]
    return [(share, course_of(policy, one, two, sides)) for share, one, two in both]


def course_of(policy: Fallback | Hedge | Cascade, one: Course, two: Course, sides: Mapping[str, Mapping[str, object]]) -> Course:
    if isinstance(policy, Cascade):
        if one[1]:
            return (one[0] + two[0], two[1], one[2] + two[2], two[3], two[4])
        judged = (one[0] + 20, False, one[2] + 0.05, one[3], one[4])
        if float(sides["edge"]["confidence"]) >= 0.6:  # type: ignore[arg-type]
            return judged
        return (judged[0] + two[0], two[1], judged[2] + two[2], two[3], two[4])
    if isinstance(policy, Hedge):
        if not one[1] and one[0] <= 250:
            return one
        begins = min(one[0], 250.0)
        ends = one[0], begins + two[0]
        wins = not one[1] and (two[1] or ends[0] <= ends[1])
        lost = one[1] and two[1]
        answer = one if wins else two
        return (max(ends) if lost else ends[0] if wins else ends[1], lost, one[2] + two[2], None if lost else answer[3], answer[4])
    after = policy.after.likely if policy.after else float("inf")
    late = one[0] > after
    if not late and not one[1]:
        return one
    paid = 0.0 if late and policy.abandoned_free else one[2]
    return (min(one[0], after) + two[0], two[1], paid + two[2], two[3], two[4])


@pytest.mark.parametrize("name", POLICIES)
def test_pairs_are_replayed_as_each_request_would_have_gone(name: str) -> None:
    rows = pairs(300)
    outcome = replayed(rows, POLICIES).outcome(name)
    courses = [
        (share / 300, course)
        for number in range(300)
        for share, course in naive(name, {str(row["placement"]): row for row in rows[2 * number : 2 * number + 2]})
    ]
    assert outcome.sources == {"asked": 300}
    assert outcome.usd == pytest.approx(sum(share * course[2] for share, course in courses))
    assert outcome.availability == pytest.approx(sum(share for share, course in courses if not course[1]))
    rated = [(share, course[3]) for share, course in courses if course[3] is not None]
    assert outcome.quality is not None
    assert outcome.quality.value == pytest.approx(sum(s * q for s, q in rated) / sum(s for s, _ in rated))
    answered = sorted((course[0], share) for share, course in courses if not course[1])
    latency = outcome.latency()
    assert latency is not None
    weights = np.cumsum([share for _, share in answered]) / sum(share for _, share in answered)
    for p in (0.5, 0.9, 0.95, 0.99):
        assert latency.quantile(p) == pytest.approx(answered[int(np.searchsorted(weights, p - 1e-12))][0])
    for option in ("edge", "cloud"):
        gave = sum(share for share, course in courses if course[4] == option)
        assert (outcome.uses[option].answered if option in outcome.uses else 0.0) == pytest.approx(gave)
    assert sum(use.answered for use in outcome.uses.values()) + outcome.answers.failure_ratio == pytest.approx(1)  # type: ignore[union-attr]


def test_four_requests_by_hand() -> None:
    times = [("a", 100, 900), ("b", 450, 200), ("c", 600, 300), ("d", 50, 100)]
    rows: list[dict[str, object]] = []
    for pair, edge, cloud in times:
        rows += [
            {
                "placement": place,
                "pair_id": pair,
                "latency_ms": float(took),
                "cost_usd": usd,
                "quality": 1.0,
                "failed": pair == "d" and place == "edge",
            }
            for place, took, usd in (("edge", edge, 0.1), ("cloud", cloud, 1.0))
        ]
    outcome = replayed(rows, POLICIES).outcome("guarded")
    # a 100; b 400 + 200; c 400 + 300; d fails after 50, then 100: 150. Both are paid for b, c and d.
    latency = outcome.latency()
    assert latency is not None
    assert latency.values_ms.tolist() == [100, 150, 600, 700]
    assert outcome.usd == pytest.approx((4 * 0.1 + 3 * 1.0) / 4)
    assert outcome.availability == 1.0
    assert (outcome.uses["edge"].answered, outcome.uses["cloud"].answered) == (0.25, 0.75)


# ---- single rows


def single(place: str, n: int, took: float, **told: object) -> list[dict[str, object]]:
    return [{"placement": place, "latency_ms": took, **told} for _ in range(n)]


def test_a_side_that_was_not_asked_is_that_of_the_same_mix() -> None:
    # Short requests: 40 at the edge (100 ms) and 60 in the cloud; long ones: 40 at the edge (1000 ms) and 20 in the cloud.
    short, long = {"input_tokens": 10.0, "cost_usd": 1.0}, {"input_tokens": 5000.0, "cost_usd": 9.0}
    rows = [*single("edge", 40, 100.0, **short), *single("cloud", 60, 300.0, **short)]
    rows += [*single("edge", 40, 1000.0, **long), *single("cloud", 20, 700.0, **long)]
    replay = replayed(rows, POLICIES)
    outcome = replay.outcome("edge")
    latency = outcome.latency()
    assert latency is not None
    np.testing.assert_allclose(latency.weights, [100 / 160, 60 / 160])
    assert outcome.sources == {"asked": 80, "same mix": 80}
    assert outcome.usd == pytest.approx((100 * 1 + 60 * 9) / 160)
    # 20 long requests in the cloud are too few for the 40 at the edge: any row of the cloud stands for those.
    assert replay.outcome("cloud").sources == {"asked": 80, "same mix": 40, "any request": 40}


@pytest.mark.parametrize("bands", [1, 40])
def test_a_row_that_stands_for_many_requests_is_one_witness(bands: int) -> None:
    """100 rows of the edge, 80 of them good, stand for 900 requests of the cloud, alike or of forty mixes: 100 are known and no more.
    Standard error sqrt(.8 x .2 / 99), and of the median the ranks of 100: 40 and 61."""
    tokens = [10.0 * 4 ** (number % bands % 8) for number in range(1000)]
    out = [10.0 * 4 ** (number % bands // 8) for number in range(1000)]
    rows: list[dict[str, object]] = [
        {
            "placement": "edge" if number % 10 == 0 else "cloud", "latency_ms": 100.0 + number, "cost_usd": 1.0,
            "quality": float(number % 50 != 0), "input_tokens": tokens[number], "output_tokens": out[number],
        }
        for number in np.random.default_rng(1).permutation(1000).tolist()
    ]  # fmt: skip
    outcome = replayed(rows, POLICIES).outcome("edge")
    assert outcome.quality is not None
    assert outcome.quality.value == pytest.approx(0.8)
    assert outcome.quality.high - outcome.quality.low == pytest.approx(2 * 1.959964 * np.sqrt(0.16 / 99), rel=1e-4)
    latency = outcome.latency()
    assert latency is not None
    assert latency.n == 100
    assert latency.interval(0.5) == (100 + 10 * 39, 100 + 10 * 60)


def test_two_sides_that_were_not_asked_together_come_to_what_the_algebra_says() -> None:
    rng = np.random.default_rng(9)
    edge, cloud = rng.lognormal(5.7, 0.5, 400), rng.lognormal(6, 0.4, 400)
    rows = [
        {"placement": place, "latency_ms": float(took), "cost_usd": usd}
        for place, times, usd in (("edge", edge, 1.0), ("cloud", cloud, 4.0))
        for took in times
    ]
    outcome = replayed(rows, POLICIES).outcome("guarded")
    parts = [Answers.of(name, Latency.from_atoms(times, np.full(400, 1 / 400))) for name, times in (("edge", edge), ("cloud", cloud))]
    expected = fallback(*parts, 400.0)
    latency, by_algebra = outcome.latency(), expected.latency("e2e")
    assert latency is not None
    assert by_algebra is not None
    for p in (0.5, 0.95, 0.99):
        assert latency.quantile(p) == pytest.approx(by_algebra.quantile(p), rel=1e-9)
    assert outcome.usd == pytest.approx(1.0 + 4.0 * expected.calls_of("cloud"))
    assert outcome.answers is not None
    assert outcome.answers.basis == "assumed"  # nobody asked both
    assert outcome.sources == {"same mix": 800}


def test_pairs_that_are_told_apart_come_to_nearly_the_same() -> None:
    rows = pairs(2000, seed=3)
    exact = replayed(rows, POLICIES).outcome("guarded")
    apart = replayed([{**row, "pair_id": None} for row in rows], POLICIES).outcome("guarded")
    assert exact.usd == pytest.approx(apart.usd, rel=0.03)
    assert exact.latency().quantile(0.5) == pytest.approx(apart.latency().quantile(0.5), rel=0.05)  # type: ignore[union-attr]
    assert exact.availability == pytest.approx(apart.availability, abs=0.01)


def test_a_way_through_the_policy_is_kept_apart() -> None:
    # At the edge, prompts that ask to explain take ten times as long: the route sends none of them there.
    explain, other = {"prompt": "explain it"}, {"prompt": "short"}
    policies = {**POLICIES, "sorted": Route((RouteRule((Condition("prompt", "has_any_of", ("explain",)),), "cloud"),), "edge")}
    rows = [*single("edge", 50, 1000.0, **explain), *single("edge", 50, 100.0, **other), *single("cloud", 50, 400.0, **other)]
    latency = replayed(rows, policies).outcome("sorted").latency()
    assert latency is not None
    # 50 explain -> cloud (of which only the rows that were not asked to explain are known), 100 others -> edge at 100 ms.
    np.testing.assert_allclose(latency.values_ms, [100, 400])
    np.testing.assert_allclose(latency.weights, [100 / 150, 50 / 150])


def test_a_cascade_by_confidence_over_single_rows_keeps_what_is_sure() -> None:
    sure, unsure = {"confidence": 0.9, "quality": 1.0, "cost_usd": 1.0}, {"confidence": 0.2, "quality": 0.0, "cost_usd": 1.0}
    rows = [
        *single("edge", 60, 100.0, **sure),
        *single("edge", 40, 100.0, **unsure),
        *single("cloud", 100, 500.0, quality=0.9, cost_usd=5.0),
    ]
    outcome = replayed(rows, POLICIES).outcome("checked")
    # 60 % stay (100 + 20 ms, quality 1), 40 % go on (120 + 500 ms, quality .9): 1 + .05 + .4 x 5 USD.
    latency = outcome.latency()
    assert latency is not None
    np.testing.assert_allclose(latency.values_ms, [120, 620])
    np.testing.assert_allclose(latency.weights, [0.6, 0.4])
    assert outcome.quality is not None
    assert outcome.quality.value == pytest.approx(0.6 * 1 + 0.4 * 0.9)
    assert outcome.usd == pytest.approx(1 + 0.05 + 0.4 * 5)


# ---- what is not known


def test_an_option_without_rows_is_unknown_unless_it_is_stated() -> None:
    rows = single("cloud", 50, 400.0, cost_usd=1.0)
    outcome = replayed(rows, POLICIES).outcome("edge")
    assert (outcome.unknown, outcome.answers, outcome.usd, outcome.quality) == (50, None, None, None)
    assert "no row of edge" in outcome.why_unknown
    stated = replayed(rows, POLICIES, {"edge": Stated(Latency.constant(80.0), quality=0.7)}).outcome("edge")
    assert stated.sources == {"stated": 50}
    assert stated.latency().quantile(0.5) == 80  # type: ignore[union-attr]
    assert stated.quality is not None
    assert (stated.quality.value, stated.quality.basis) == (0.7, "assumed")
    assert stated.usd is None


def test_a_log_without_quality_has_none() -> None:
    outcome = replayed([{**row, "quality": NAN} for row in pairs(50)], POLICIES).outcome("guarded")
    assert outcome.quality is None
    assert outcome.usd is not None


def test_rows_that_tell_nothing_are_counted_and_left_out() -> None:
    rows: list[dict[str, object]] = [
        {"placement": "edge", "pair_id": "a", "latency_ms": 1.0},
        {"placement": "edge", "pair_id": "a", "latency_ms": 2.0},
        {"placement": "cloud", "pair_id": "a", "latency_ms": 3.0},
        {"placement": "device", "pair_id": "b", "latency_ms": 4.0},
        {"placement": "cloud", "pair_id": "b", "latency_ms": NAN},
        {"placement": "cloud", "pair_id": "c", "latency_ms": 5.0},
        {"placement": "edge", "pair_id": "c", "latency_ms": 6.0},
    ]
    asked = replayed(rows, POLICIES).asked
    assert (asked.n, asked.unmatched, asked.without_latency, asked.ambiguous) == (4, 1, 1, 1)
    assert asked.rows.tolist() == [[0, -1], [1, -1], [-1, 2], [6, 5]]
    assert asked.n + int((asked.sides - 1).sum()) + asked.unmatched + asked.without_latency == len(rows)


def test_today_is_what_ran() -> None:
    rows = [*single("edge", 3, 100.0, cost_usd=1.0, quality=0.5), *single("cloud", 1, 500.0, cost_usd=5.0, quality=1.0)]
    today: Outcome = replayed(rows, POLICIES).today()
    assert today.usd == 2.0
    assert today.uses["edge"].answered == 0.75
    assert today.quality is not None
    assert today.quality.value == 0.625
    latency = today.latency()
    assert latency is not None
    assert latency.weights.tolist() == [0.75, 0.25]
    both = replayed(pairs(100), POLICIES).today()
    assert both.usd == pytest.approx(sum(float(row["cost_usd"]) for row in pairs(100)) / 100)  # type: ignore[arg-type]


def test_what_a_router_looks_at_is_that_of_the_first_side_that_tells_it() -> None:
    rows: list[dict[str, object]] = [
        {"placement": "edge", "pair_id": "a", "latency_ms": 1.0, "prompt": "one two three"},
        {"placement": "cloud", "pair_id": "a", "latency_ms": 1.0, "prompt": "other", "input_tokens": 7.0},
        {"placement": "cloud", "pair_id": "b", "latency_ms": 1.0},
    ]
    asked = replayed(rows, POLICIES).asked
    np.testing.assert_array_equal(asked.number(PROMPT_WORDS), [3, NAN])
    np.testing.assert_array_equal(asked.number("input_tokens"), [7, NAN])
    assert asked.text("prompt") == ["one two three", None]
    assert asked.holds(Condition("prompt", "words<", ("4",))).tolist() == [True, False]
    assert asked.sent_to(Route((RouteRule((Condition("input_tokens", "<", ("9",)),), "edge"),), "cloud")).tolist() == [0, 1]
