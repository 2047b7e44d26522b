"""Usage is summed exactly, whoever reads it in whatever order, and what is not told is never a 0 among what is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeroi import pricebooks
from edgeroi.errors import EdgeroiError
from edgeroi.request import NO_INSTANT, Batch, Labels
from edgeroi.usage import STEPS, Amounts, Usage, UsageFold, UsageKey, usage_of

DAY = 86_400 * 10**9
NAN = float("nan")


def batch(rows: list[dict]) -> Batch:
    """Rows of plain values as a batch; a name that is missing is unknown."""
    n = len(rows)
    numbers = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "cost_usd")
    labels = ("workload", "placement", "provider", "model", "service_tier")
    return Batch(
        n,
        np.array([row.get("failed", False) for row in rows]),
        {name: np.array([row.get(name, NAN) for row in rows], float) for name in numbers},
        {name: Labels.of([row.get(name) for row in rows], n) for name in labels},
        np.array([row.get("at", NO_INSTANT) for row in rows], np.int64),
    )


def key(**told: object) -> UsageKey:
    nothing = dict.fromkeys(UsageKey._fields)
    flags = dict.fromkeys(("failed", "logged", "told_input", "told_output", "odd"), False)
    return UsageKey(**{**nothing, "step": 0, **flags, **told})  # type: ignore[arg-type]


def test_told_and_untold_are_summed_apart() -> None:
    told = batch(
        [
            {"model": "m", "at": 3 * DAY, "input_tokens": 100, "cached_tokens": 40, "output_tokens": 7, "cost_usd": 0.25},
            {"model": "m", "at": 3 * DAY + 5, "input_tokens": 11, "output_tokens": 1, "cost_usd": 0.5},
            {"model": "m", "at": 3 * DAY + 9, "input_tokens": 5},
            {"model": "m", "at": 4 * DAY, "failed": True},
            {"model": "m"},
        ]
    )
    usage = usage_of(told)
    assert usage.cells == {
        key(model="m", day=3, logged=True, told_input=True, told_output=True): Amounts(2, 111, 40, 0, 8, 750_000_000_000),
        key(model="m", day=3, told_input=True): Amounts(1, 5),
        key(model="m", day=4, failed=True): Amounts(1),
        key(model="m"): Amounts(1),
    }
    assert usage.hours == {(3, 0): 3, (4, 0): 1}
    assert (usage.first_ns, usage.last_ns) == (3 * DAY, 4 * DAY)


def test_cached_tokens_that_exceed_the_input_are_marked() -> None:
    (odd,) = usage_of(batch([{"input_tokens": 10, "cached_tokens": 8, "cache_write_tokens": 3}])).cells
    (sound,) = usage_of(batch([{"input_tokens": 11, "cached_tokens": 8, "cache_write_tokens": 3}])).cells
    assert (odd.odd, sound.odd) == (True, False)


def test_a_request_is_above_a_step_from_one_token_more_on() -> None:
    sizes = [199_999, 200_000, 200_001]
    steps = {
        key.step: amounts.input_tokens for key, amounts in usage_of(batch([{"input_tokens": n} for n in sizes]), (200_000,)).cells.items()
    }
    assert steps == {0: 399_999, 1: 200_001}


def test_the_steps_are_those_of_the_book() -> None:
    assert {step.input_tokens for row in pricebooks.load() for _, rate in row.rates for step in rate.above} <= set(STEPS)


ROWS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["a", "b", "c"]),
        "workload": st.sampled_from(["chat", "search"]),
        "at": st.integers(0, 5 * DAY),
        "failed": st.booleans(),
        "input_tokens": st.integers(0, 10**9),
        "output_tokens": st.integers(0, 10**6),
        "cost_usd": st.integers(0, 10**9).map(lambda nano: nano / 1e9),
    },
)


@given(st.lists(ROWS, min_size=1, max_size=30), st.data())
def test_cut_and_shuffled_it_is_the_same_sum(rows: list[dict], data: st.DataObject) -> None:
    whole, fold, other = usage_of(batch(rows)), UsageFold(), UsageFold()
    mixed = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    for part in (mixed[:cut],):
        fold.add(None, batch(part))
    other.add(None, batch(mixed[cut:]))
    assert (fold + other).usage == (other + fold).usage == whole
    assert sum(amounts.requests for amounts in whole.cells.values()) == len(rows)
    assert sum(amounts.input_tokens for amounts in whole.cells.values()) == sum(row.get("input_tokens", 0) for row in rows)
    # Money to the millionth of a millionth, as each request told it.
    told = sum(round(Fraction(str(row.get("cost_usd", 0))) * 10**12) for row in rows)
    assert sum(amounts.pico_usd for amounts in whole.cells.values()) == told


def test_a_sample_is_scaled_up_and_a_whole_log_is_not() -> None:
    usage = usage_of(batch([{"model": "m", "input_tokens": 7, "cost_usd": 0.25}]))
    assert usage.scaled(1.0) is usage
    (scaled,) = usage.scaled(0.001).cells.values()
    assert scaled == Amounts(1000, 7000, 0, 0, 0, 250 * 10**12)


def test_usage_cut_otherwise_does_not_add_up() -> None:
    with pytest.raises(ValueError, match="does not add up"):
        Usage() + Usage(steps=(1,))


def test_a_model_of_its_own_for_every_request_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeroi.usage.MOST_CELLS", 3)
    with pytest.raises(EdgeroiError, match="more than 3 different"):
        UsageFold().add(None, batch([{"model": f"m{n}"} for n in range(4)]))


def test_many_different_labels_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"model": f"m{n}", "workload": f"w{n}", "provider": f"p{n}", "at": n * DAY, "input_tokens": n} for n in range(50)]
    whole = usage_of(batch(rows))
    monkeypatch.setattr("edgeroi.usage._MOST_CODES", 60)
    assert usage_of(batch(rows)) == whole
    assert {(k.model, k.workload, k.provider, k.day) for k in whole.cells} == {(f"m{n}", f"w{n}", f"p{n}", n) for n in range(50)}
