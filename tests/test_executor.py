"""Policies run for real over plain callables: who answers, who is cancelled, who is paid."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from probing import wrong_every_time

from edgeroi.estimate import Range
from edgeroi.executor import Call, Cancel, Executor, Outcome, Runnable
from edgeroi.spec import Fallback, Hedge, Split

pytestmark = pytest.mark.alone


def answers_after(ms: float, word: str) -> Call[str]:
    """Says the word after so long, or ``cancelled`` as soon as it is."""
    return lambda cancel: "cancelled" if cancel.wait(ms / 1e3) else word


def raises(cancel: Cancel) -> str:
    raise ConnectionError("refused")


def half() -> float:
    return 0.5


def outcome_of(policy: Runnable, draw: Callable[[], float] = half, **calls: Call[str]) -> Outcome[str]:
    return Executor({"policy": policy}, calls, lambda said: said in ("failed", "cancelled")).run("policy", draw)


def told(outcome: Outcome[str]) -> tuple[str | None, str, list[tuple[str, bool, bool]]]:
    return outcome.result, outcome.by, [(call.name, call.given_up, call.paid) for call in outcome.calls]


MS_30 = Range.point(30.0)
#: Far from any disturbance of a busy machine: quick is at once, slow is not reached.
QUICK, SLOW = 0.0, 20_000.0


def test_a_fallback_in_time_asks_nobody_else() -> None:
    long = Range.point(5_000.0)
    outcome = outcome_of(Fallback("a", "b", long), a=answers_after(QUICK, "A"), b=answers_after(QUICK, "B"))
    assert told(outcome) == ("A", "a", [("a", False, True)])


@pytest.mark.parametrize(("free", "paid"), [(False, True), (True, False)])
def test_a_fallback_gives_up_what_is_late(free: bool, paid: bool) -> None:
    policy = Fallback("a", "b", MS_30, abandoned_free=free)
    outcome = outcome_of(policy, a=answers_after(SLOW, "A"), b=answers_after(QUICK, "B"))
    assert told(outcome) == ("B", "b", [("a", True, paid), ("b", False, True)])


def test_a_fallback_that_only_watches_errors_waits() -> None:
    policy = Fallback("a", "b", None, on=("error",))
    assert told(outcome_of(policy, a=answers_after(50, "A"), b=answers_after(QUICK, "B")))[:2] == ("A", "a")


@pytest.mark.parametrize("failing", [raises, answers_after(QUICK, "failed")])
def test_a_fallback_answers_a_failure(failing: Call[str]) -> None:
    asked = outcome_of(Fallback("a", "b", Range.point(5_000.0)), a=failing, b=answers_after(QUICK, "B"))
    assert told(asked) == ("B", "b", [("a", False, True), ("b", False, True)])
    only_timeouts = outcome_of(Fallback("a", "b", Range.point(5_000.0), on=("timeout",)), a=failing, b=answers_after(QUICK, "B"))
    assert (only_timeouts.ok, only_timeouts.by, len(only_timeouts.calls)) == (False, "a", 1)


def test_where_all_fail_the_last_error_is_told() -> None:
    outcome = outcome_of(Fallback("a", "b", MS_30), a=answers_after(QUICK, "failed"), b=raises)
    assert (outcome.ok, outcome.result, outcome.by, str(outcome.error)) == (False, None, "b", "refused")


def test_a_hedge_takes_the_first_answer_and_cancels_the_other() -> None:
    stopped = threading.Event()

    def slow(cancel: Cancel) -> str:
        cancel.when_set(stopped.set)
        cancel.wait(SLOW / 1e3)
        return "cancelled"

    outcome = outcome_of(Hedge("a", "b", MS_30), a=slow, b=answers_after(QUICK, "B"))
    assert told(outcome) == ("B", "b", [("a", True, True), ("b", False, True)])
    assert stopped.wait(5)
    # The other way round: the first still wins though the second was asked.
    outcome = outcome_of(Hedge("a", "b", MS_30, abandoned_free=True), a=answers_after(300, "A"), b=answers_after(SLOW, "B"))
    assert told(outcome) == ("A", "a", [("a", False, True), ("b", True, False)])


def test_a_hedge_asks_at_once_where_the_first_fails_and_fails_where_both_do() -> None:
    outcome = outcome_of(Hedge("a", "b", Range.point(20_000.0)), a=raises, b=answers_after(QUICK, "B"))
    assert told(outcome)[:2] == ("B", "b")
    both = outcome_of(Hedge("a", "b", Range.point(20_000.0)), a=raises, b=raises)
    assert (both.ok, [call.name for call in both.calls]) == (False, ["a", "b"])


def test_a_split_draws_by_share() -> None:
    split = Split((("a", Range.point(0.8)), ("b", Range.point(0.2))))
    calls = {"a": answers_after(QUICK, "A"), "b": answers_after(QUICK, "B")}
    for drawn, name in ((0.0, "a"), (0.79, "a"), (0.81, "b"), (0.999, "b")):
        assert outcome_of(split, lambda drawn=drawn: drawn, **calls).by == name  # type: ignore[misc]


def test_policies_nest_and_what_is_given_up_is_cancelled_to_the_bottom() -> None:
    begun, stopped = threading.Event(), threading.Event()

    def slow(cancel: Cancel) -> str:
        begun.set()
        cancel.when_set(stopped.set)
        return answers_after(SLOW, "never")(cancel)

    policies: dict[str, Runnable] = {"outer": Fallback("inner", "c", Range.point(200.0)), "inner": Hedge("a", "b", Range.point(1.0))}
    calls = {"a": slow, "b": slow, "c": answers_after(QUICK, "C")}
    outcome = Executor(policies, calls, lambda said: said == "cancelled").run("outer", half)
    assert told(outcome) == ("C", "c", [("a", True, True), ("b", True, True), ("c", False, True)])
    assert begun.is_set()
    assert stopped.wait(5)


def test_a_fallback_that_is_given_up_does_not_go_on_to_its_second_part() -> None:
    asked = threading.Event()

    def second(cancel: Cancel) -> str:
        asked.set()
        return "B"

    policies: dict[str, Runnable] = {"outer": Fallback("inner", "c", Range.point(100.0)), "inner": Fallback("a", "b", Range.point(SLOW))}
    calls = {"a": answers_after(SLOW, "A"), "b": second, "c": answers_after(QUICK, "C")}
    outcome = Executor(policies, calls, lambda said: said == "cancelled").run("outer", half)
    assert [call.name for call in outcome.calls] == ["a", "c"]
    assert not asked.wait(0.2)


def test_a_cancel_does_what_it_is_told_once_and_at_once_when_it_is_late() -> None:
    cancel, done = Cancel(), list[int]()
    cancel.when_set(lambda: done.append(1))
    cancel.set()
    cancel.set()
    cancel.when_set(lambda: done.append(2))
    assert done == [1, 2]


def test_the_executor_adds_less_than_a_millisecond() -> None:
    def measured() -> Iterator[str]:
        took = []
        for _ in range(50):
            begun = time.perf_counter()
            outcome_of(Fallback("a", "b", MS_30), a=answers_after(SLOW, "A"), b=answers_after(QUICK, "B"))
            took.append(1e3 * (time.perf_counter() - begun))
        if not 30 <= sorted(took)[25] < 31:  # the timeout, and nothing else
            yield "p50"

    assert not wrong_every_time(measured, most=6)
