"""Policies run for real over plain callables: who answers, who is cancelled, who is paid."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from probing import wrong_every_time

from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Range
from edgeroi.executor import AsyncExecutor, Call, Cancel, Executor, GivenUp, Outcome
from edgeroi.spec import Cascade, Condition, Fallback, Hedge, Policy, Route, RouteRule, Split

Asks = Call[str, str]

pytestmark = pytest.mark.alone


def answers_after(ms: float, word: str) -> Asks:
    """Says the word after so long, or ``cancelled`` as soon as it is."""
    return lambda _, cancel: "cancelled" if cancel.wait(ms / 1e3) else word


def raises(_: str, cancel: Cancel) -> str:
    raise ConnectionError("refused")


def half() -> float:
    return 0.5


def failed(said: str) -> bool:
    return said in ("failed", "cancelled")


@pytest.fixture(params=[False, True], ids=["threads of its own", "obedient calls"])
def obedient(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def outcome_of(policy: Policy, obedient: bool, draw: Callable[[], float] = half, **calls: Asks) -> Outcome[str]:
    with Executor({"policy": policy}, calls, failed=failed, obedient=calls if obedient else ()) as executor:
        return executor.run("policy", "?", draw=draw)


def told(outcome: Outcome[str]) -> tuple[str | None, str, list[tuple[str, bool, bool]]]:
    return outcome.result, outcome.by, [(call.name, call.given_up, call.paid) for call in outcome.calls]


def reasons(outcome: Outcome[str]) -> list[tuple[str, str]]:
    return [(turn.to, turn.because) for turn in outcome.turns]


MS_30 = Range.point(30.0)
#: Far from any disturbance of a busy machine: quick is at once, slow is not reached.
QUICK, SLOW = 0.0, 20_000.0


def test_a_fallback_in_time_asks_nobody_else(obedient: bool) -> None:
    long = Range.point(5_000.0)
    outcome = outcome_of(Fallback("a", "b", long), obedient, a=answers_after(QUICK, "A"), b=answers_after(QUICK, "B"))
    assert told(outcome) == ("A", "a", [("a", False, True)])


@pytest.mark.parametrize(("free", "paid"), [(False, True), (True, False)])
def test_a_fallback_gives_up_what_is_late(free: bool, paid: bool, obedient: bool) -> None:
    policy = Fallback("a", "b", MS_30, abandoned_free=free)
    outcome = outcome_of(policy, obedient, a=answers_after(SLOW, "A"), b=answers_after(QUICK, "B"))
    assert told(outcome) == ("B", "b", [("a", True, paid), ("b", False, True)])


def test_a_fallback_that_only_watches_errors_waits(obedient: bool) -> None:
    policy = Fallback("a", "b", None, on=("error",))
    assert told(outcome_of(policy, obedient, a=answers_after(50, "A"), b=answers_after(QUICK, "B")))[:2] == ("A", "a")


@pytest.mark.parametrize("failing", [raises, answers_after(QUICK, "failed")])
def test_a_fallback_answers_a_failure(failing: Call[str], obedient: bool) -> None:
    asked = outcome_of(Fallback("a", "b", Range.point(5_000.0)), obedient, a=failing, b=answers_after(QUICK, "B"))
    assert told(asked) == ("B", "b", [("a", False, True), ("b", False, True)])
    only_timeouts = outcome_of(Fallback("a", "b", Range.point(5_000.0), on=("timeout",)), obedient, a=failing, b=answers_after(QUICK, "B"))
    assert (only_timeouts.ok, only_timeouts.by, len(only_timeouts.calls)) == (False, "a", 1)


def test_where_all_fail_the_last_error_is_told(obedient: bool) -> None:
    outcome = outcome_of(Fallback("a", "b", MS_30), obedient, a=answers_after(QUICK, "failed"), b=raises)
    assert (outcome.ok, outcome.result, outcome.by, str(outcome.error)) == (False, None, "b", "refused")


def test_a_hedge_takes_the_first_answer_and_cancels_the_other(obedient: bool) -> None:
    stopped = threading.Event()

    def slow(_: str, cancel: Cancel) -> str:
        cancel.when_set(stopped.set)
        cancel.wait(SLOW / 1e3)
        return "cancelled"

    outcome = outcome_of(Hedge("a", "b", MS_30), obedient, a=slow, b=answers_after(QUICK, "B"))
    assert told(outcome) == ("B", "b", [("a", True, True), ("b", False, True)])
    assert stopped.wait(5)
    # The other way round: the first still wins though the second was asked.
    outcome = outcome_of(Hedge("a", "b", MS_30, abandoned_free=True), obedient, a=answers_after(300, "A"), b=answers_after(SLOW, "B"))
    assert told(outcome) == ("A", "a", [("a", False, True), ("b", True, False)])


def test_a_hedge_asks_at_once_where_the_first_fails_and_fails_where_both_do(obedient: bool) -> None:
    outcome = outcome_of(Hedge("a", "b", Range.point(20_000.0)), obedient, a=raises, b=answers_after(QUICK, "B"))
    assert told(outcome)[:2] == ("B", "b")
    both = outcome_of(Hedge("a", "b", Range.point(20_000.0)), obedient, a=raises, b=raises)
    assert (both.ok, [call.name for call in both.calls]) == (False, ["a", "b"])


def test_a_split_draws_by_share(obedient: bool) -> None:
    split = Split((("a", Range.point(0.8)), ("b", Range.point(0.2))))
    calls = {"a": answers_after(QUICK, "A"), "b": answers_after(QUICK, "B")}
    for drawn, name in ((0.0, "a"), (0.79, "a"), (0.81, "b"), (0.999, "b")):
        assert outcome_of(split, obedient, lambda drawn=drawn: drawn, **calls).by == name  # type: ignore[misc]


def test_policies_nest_and_what_is_given_up_is_cancelled_to_the_bottom(obedient: bool) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def slow(_: str, cancel: Cancel) -> str:
        begun.set()
        cancel.when_set(stopped.set)
        return answers_after(SLOW, "never")("?", cancel)

    policies: dict[str, Policy] = {"outer": Fallback("inner", "c", Range.point(200.0)), "inner": Hedge("a", "b", Range.point(1.0))}
    calls = {"a": slow, "b": slow, "c": answers_after(QUICK, "C")}
    with Executor(policies, calls, failed=failed, obedient=calls if obedient else ()) as executor:
        outcome = executor.run("outer", "?")
    assert told(outcome) == ("C", "c", [("a", True, True), ("b", True, True), ("c", False, True)])
    assert begun.is_set()
    assert stopped.wait(5)


def test_a_fallback_that_is_given_up_does_not_go_on_to_its_second_part(obedient: bool) -> None:
    asked = threading.Event()

    def second(_: str, cancel: Cancel) -> str:
        asked.set()
        return "B"

    policies: dict[str, Policy] = {"outer": Fallback("inner", "c", Range.point(100.0)), "inner": Fallback("a", "b", Range.point(SLOW))}
    calls = {"a": answers_after(SLOW, "A"), "b": second, "c": answers_after(QUICK, "C")}
    with Executor(policies, calls, failed=failed, obedient=calls if obedient else ()) as executor:
        outcome = executor.run("outer", "?")
    assert [call.name for call in outcome.calls] == ["a", "c"]
    assert not asked.wait(0.2)


def test_a_cancel_does_what_it_is_told_once_and_at_once_when_it_is_late() -> None:
    cancel, done = Cancel(), list[int]()
    cancel.when_set(lambda: done.append(1))
    cancel.set()
    cancel.set()
    cancel.when_set(lambda: done.append(2))
    assert done == [1, 2]


def test_the_executor_adds_less_than_a_millisecond(obedient: bool) -> None:
    calls = {"a": answers_after(SLOW, "A"), "b": answers_after(QUICK, "B")}

    def measured() -> Iterator[str]:
        took = []
        for _ in range(30):
            begun = time.perf_counter()
            executor.run("policy", "?")
            took.append(1e3 * (time.perf_counter() - begun))
        if not 30 <= sorted(took)[15] < 31:  # the timeout, and nothing else
            yield "p50"

    with Executor({"policy": Fallback("a", "b", MS_30)}, calls, failed=failed, obedient=calls if obedient else ()) as executor:
        assert not wrong_every_time(measured, most=8)


def test_a_call_that_ignores_its_cancel_holds_nobody_up_and_is_told() -> None:
    let_go, ended = threading.Event(), threading.Event()

    def stubborn(_: str, cancel: Cancel) -> str:
        let_go.wait(60)
        ended.set()
        return "A"

    # Not after 60 s, which is when the call would come back: everything that limits it lets the request go on.
    for name, policy in {
        "late": Fallback("a", "b", MS_30),
        "raced": Hedge("a", "b", MS_30),
        "outer": Fallback("inner", "b", MS_30),
    }.items():
        policies: dict[str, Policy] = {name: policy, "inner": Hedge("a", "a", Range.point(1.0))}
        with Executor(policies, {"a": stubborn, "b": answers_after(QUICK, "B")}, timeouts_ms={"b": 9_000.0}) as executor:
            outcome = executor.run(name, "?")
            assert (outcome.result, outcome.calls[0].ending, outcome.calls[-1].ending) == ("B", "given_up", "accepted")
            whole = executor.run("inner", "?", timeout_ms=30.0)
            assert (whole.ok, type(whole.error), {call.ending for call in whole.calls}) == (False, TimeoutError, {"given_up"})
            cancel = Cancel()
            threading.Timer(0.03, cancel.set).start()
            stopped = executor.run("inner", "?", cancel=cancel)
            assert (stopped.ok, type(stopped.error)) == (False, GivenUp)
            assert type(executor.run("a", "?", cancel=cancel).error) is GivenUp  # set before
            cancel = Cancel()
            threading.Timer(0.03, cancel.set).start()
            assert type(executor.run("a", "?", cancel=cancel).error) is GivenUp
            assert executor.run("b", "?", cancel=(kept := Cancel())).ok
            assert not kept._acts  # one cancel may serve any number of requests
    assert not ended.is_set()
    let_go.set()
    assert ended.wait(5)


def test_a_call_has_a_timeout_of_its_own(obedient: bool) -> None:
    calls = {"a": answers_after(SLOW, "A"), "b": answers_after(QUICK, "B")}
    policies: dict[str, Policy] = {"p": Fallback("a", "b", None, on=("error",))}
    with Executor(policies, calls, failed=failed, timeouts_ms={"a": 30.0}, obedient=calls if obedient else ()) as executor:
        outcome, alone = executor.run("p", "?"), executor.run("a", "?")
    assert told(outcome) == ("B", "b", [("a", True, True), ("b", False, True)])
    assert reasons(outcome) == [("b", "error")]
    assert (alone.ok, str(alone.error)) == (False, "a had not answered after 30 ms")


# --- routes and cascades -------------------------------------------------------------------------------------------------------


def under(column: str, limit: str) -> Condition:
    return Condition(column, "<", (limit,))


#: The article's router: under 50 words, and none of three.
ROUTER = Route(
    (RouteRule((under("input_tokens", "50"), Condition("prompt", "has_none_of", ("summarize", "explain", "analyze"))), "a"),), "b"
)


@pytest.mark.parametrize(
    ("prompt", "by", "rule"),
    [
        ("what is the time", "a", 1),
        ("please EXPLAIN this", "b", None),
        ("an unexplained unsummarized thing", "a", 1),  # whole words
        ("word " * 49, "a", 1),
        ("word " * 50, "b", None),
    ],
)
def test_a_route_asks_the_request(prompt: str, by: str, rule: int | None) -> None:
    calls = {"a": answers_after(QUICK, "A"), "b": answers_after(QUICK, "B")}
    with Executor({"r": ROUTER}, calls, columns=lambda text: {"prompt": text, "input_tokens": len(text.split())}) as executor:
        outcome = executor.run("r", prompt)
    assert (outcome.by, outcome.turns[0].rule, outcome.turns[0].because) == (by, rule, "rule" if rule else "otherwise")


@pytest.mark.parametrize("unknown", [{}, {"input_tokens": None}, {"input_tokens": math.nan}, {"input_tokens": "12"}])
def test_what_a_request_does_not_tell_holds_for_no_rule(unknown: dict[str, object]) -> None:
    route = Route((RouteRule((under("input_tokens", "50"),), "a"),), "b")
    with Executor({"r": route}, {"a": lambda *_: "A", "b": lambda *_: "B"}) as executor:
        assert executor.run("r", unknown).by == "b"
        assert executor.run("r", {"input_tokens": 49}).by == "a"
        assert executor.run("r", {"input_tokens": 50}).by == "b"


def test_a_function_of_ours_that_fails_is_an_error_and_no_silence() -> None:
    with Executor({"r": ROUTER, "safe": Fallback("r", "a", Range.point(5_000.0))}, {"a": lambda *_: "A", "b": lambda *_: "B"}) as executor:
        assert "give columns=" in str(executor.run("r", 5).error)
        assert executor.run("safe", 5).by == "a"


@pytest.mark.parametrize(
    ("confidence", "by", "because", "endings"),
    [
        (0.7, "a", "sure", ["accepted"]),
        (0.69, "b", "doubted", ["not_taken", "accepted"]),
        (None, "b", "doubted", ["not_taken", "accepted"]),
        (math.nan, "b", "doubted", ["not_taken", "accepted"]),
        (ZeroDivisionError, "b", "doubted", ["not_taken", "accepted"]),
    ],
)
def test_a_cascade_keeps_what_is_sure(confidence: object, by: str, because: str, endings: list[str], obedient: bool) -> None:
    def judge(said: str) -> float | None:
        if confidence is ZeroDivisionError:
            raise ZeroDivisionError
        return confidence  # type: ignore[return-value]

    calls = {"a": answers_after(QUICK, "A"), "b": answers_after(QUICK, "B")}
    with Executor({"c": Cascade("a", "b", confidence=0.7)}, calls, confidence=judge, obedient=calls if obedient else ()) as executor:
        outcome = executor.run("c", "?", timeout_ms=5_000.0)
    assert (outcome.by, outcome.result, outcome.turns[-1].because) == (by, by.upper(), because)
    assert [call.ending for call in outcome.calls] == endings


def test_a_cascade_asks_the_next_where_the_first_fails() -> None:
    with Executor(
        {"c": Cascade("a", "b", confidence=0.7)}, {"a": raises, "b": answers_after(QUICK, "B")}, confidence=lambda _: 1.0
    ) as executor:
        outcome = executor.run("c", "?")
    assert (outcome.by, reasons(outcome), [call.ending for call in outcome.calls]) == ("b", [("b", "error")], ["failed", "accepted"])


# --- what cannot be run --------------------------------------------------------------------------------------------------------

SPAN = Range(40.0, 30.0, 60.0)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Fallback("a", "bb", MS_30), "p: no call and no policy 'bb'"),
        (Fallback("a", "p", MS_30), "p: the policy leads back to itself: p -> p"),
        (Fallback("a", "b", SPAN), "`after` is a range"),
        (Hedge("a", "b", MS_30, watch="ttft"), "drop `watch`"),
        (Split((("a", SPAN), ("b", SPAN))), "a share is a range"),
        (Cascade("a", "b", escalated=Range.point(0.2)), "write `confidence: 0.8`"),
        (Cascade("a", "b", confidence=0.8), "give confidence="),
    ],
)
def test_what_cannot_be_run_is_refused_at_once(policy: Policy, said: str) -> None:
    for executor in (Executor, AsyncExecutor):
        with pytest.raises(EdgeroiError, match=re.escape(said)):
            executor({"p": policy}, {"a": raises, "b": raises})


def test_names_that_are_not_there_are_told_with_the_nearest() -> None:
    calls = {"edge": raises, "cloud": raises}
    with pytest.raises(EdgeroiError, match="timeouts_ms: no call 'egde'; did you mean 'edge'"):
        Executor({}, calls, timeouts_ms={"egde": 5.0})
    with pytest.raises(EdgeroiError, match="obedient: no call 'clout'"):
        Executor({}, calls, obedient=["clout"])
    with pytest.raises(EdgeroiError, match="more than 0 ms"):
        Executor({}, calls, timeouts_ms={"edge": 0.0})
    with pytest.raises(EdgeroiError, match="'edge' is a policy and a call"):
        Executor({"edge": Fallback("edge", "cloud", MS_30)}, calls)
    executor: Executor[str, str] = Executor({}, calls)
    with pytest.raises(EdgeroiError, match="no policy and no call 'edg'"):
        executor.run("edg", "?")
    with pytest.raises(EdgeroiError, match="timeout_ms: a timeout is more than 0 ms"):
        executor.run("edge", "?", timeout_ms=-1.0)
    executor.close()
    with pytest.raises(EdgeroiError, match="closed"):
        executor.run("edge", "?")


# --- threads -------------------------------------------------------------------------------------------------------------------


def threads_of_ours() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "edgeroi-executor"}


def gone(threads: set[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(5)
    return not any(thread.is_alive() for thread in threads)


def test_threads_are_used_again_and_let_go() -> None:
    before = threads_of_ours()
    with Executor({"p": Fallback("a", "b", Range.point(5_000.0))}, {"a": lambda *_: "A", "b": lambda *_: "B"}, warm=2) as executor:
        for _ in range(50):
            assert executor.run("p", "?").by == "a"
        mine = threads_of_ours() - before
        assert 2 <= len(mine) <= 4  # one may still be on its way back when the next is wanted
    assert gone(mine)
    dropped: Executor[str, str] | None = Executor({}, {"a": lambda *_: "A"})
    assert dropped is not None
    mine = threads_of_ours() - before
    dropped = None  # never closed
    assert gone(mine)


def test_whatever_a_call_raises_the_request_has_an_end(obedient: bool) -> None:
    def leaves(_: str, cancel: Cancel) -> str:
        raise SystemExit(3)

    calls = {"a": leaves, "b": answers_after(QUICK, "B")}
    with Executor({"p": Fallback("a", "b", Range.point(5_000.0))}, calls, obedient=calls if obedient else ()) as executor:
        if obedient:  # in the thread of whoever asks: theirs to hear
            with pytest.raises(SystemExit):
                executor.run("p", "?")
        else:
            assert executor.run("p", "?").by == "b"


def test_a_judge_that_leaves_loses_no_request() -> None:
    def leaves(_: str) -> float:
        raise SystemExit(3)

    with Executor({"c": Cascade("a", "a", confidence=0.5)}, {"a": answers_after(QUICK, "A")}, confidence=leaves) as executor:
        outcome = executor.run("c", "?", timeout_ms=20_000.0)
    assert (outcome.ok, type(outcome.error)) == (False, SystemExit)


def test_the_example_of_the_docstring_runs() -> None:
    import doctest

    import edgeroi.executor

    done = doctest.testmod(edgeroi.executor)
    assert (done.failed, done.attempted > 10) == (0, True)


def test_whose_promise_is_kept_is_called_where_it_is_asked(obedient: bool) -> None:
    here: dict[str, bool] = {}

    def noting(name: str) -> Asks:
        def call(_: str, cancel: Cancel) -> str:
            here[name] = threading.get_ident() == asked_in
            return name

        return call

    asked_in = threading.get_ident()
    policies: dict[str, Policy] = {"p": Fallback("q", "b", Range.point(5_000.0)), "q": Hedge("a", "c", Range.point(4_000.0))}
    calls = {name: noting(name) for name in "abc"}
    with Executor(policies, calls, obedient="abc" if obedient else "ab") as executor:
        executor.run("a", "?", timeout_ms=5_000.0)
        assert here == {"a": True}
        executor.run("p", "?")
    # A policy keeps the promise where all of its calls do.
    assert here == {"a": obedient}


def test_a_loser_that_answers_after_all_disturbs_nobody() -> None:
    let_go, answered, disturbed = threading.Event(), threading.Event(), threading.Event()

    def first(_: str, cancel: Cancel) -> str:
        cancel.when_set(disturbed.set)  # where the answer is a stream, it is still being read
        asked.wait(5)
        return "A"

    def second(_: str, cancel: Cancel) -> str:
        asked.set()
        let_go.wait(60)
        return "B"

    asked = threading.Event()
    with Executor({"p": Hedge("a", "b", Range.point(1.0))}, {"a": first, "b": lambda *given: second(*given)}) as executor:
        outcome = executor.run("p", "?")
        assert told(outcome) == ("A", "a", [("a", False, True), ("b", True, True)])
        let_go.set()
        threading.Timer(0.1, answered.set).start()
        assert answered.wait(5)
    assert gone(threads_of_ours())
    assert not disturbed.is_set()
    assert told(outcome) == ("A", "a", [("a", False, True), ("b", True, True)])
