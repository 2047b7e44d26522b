"""Requests told apart by what a rule asks, held against the rule asked of each value."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from edgeroi.cuts import Cut, cut_labels, raw_holds
from edgeroi.request import Batch, Labels

TESTS: Mapping[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
NUMBERS = [0.0, 1.0, 49.0, 50.0, 51.0, 199.5, 200.0, float("nan"), 1e9]
TEXTS = ["Summarize this", "resummarize", "explain, please", "ANALYZE", "translate", "", None]


def numbers_of(values: list[float]) -> Batch:
    return Batch(len(values), np.zeros(len(values), np.bool_), {"input_tokens": np.array(values)})


def texts_of(values: list[str | None]) -> Batch:
    return Batch(len(values), np.zeros(len(values), np.bool_), {}, {"prompt": Labels.of(values, len(values))})


def told(labels: Labels, row: int) -> str | None:
    return None if labels.codes[row] < 0 else labels.names[labels.codes[row]]


@pytest.mark.parametrize("test", TESTS)
def test_numbers_by_limits(test: str) -> None:
    asked = [(each, (limit,)) for each in TESTS for limit in ("50", "200")]
    cut = Cut.of("input_tokens", asked)
    labels = cut.labels(numbers_of(NUMBERS))
    for row, number in enumerate(NUMBERS):
        for limit in ("50", "200"):
            assert cut.holds(test, (limit,), told(labels, row)) == TESTS[test](number, float(limit)), (number, test, limit)
    assert len(labels.names) == 5  # below 50, 50, between, 200, above


def test_texts_by_words_and_by_values() -> None:
    words, values = ("summarize", "analyze"), ("translate", "ANALYZE")
    cut = Cut.of("prompt", [("has_none_of", words), ("has_any_of", ("explain",)), ("in", values)])
    labels = cut.labels(texts_of(TEXTS))
    found = {
        test: [cut.holds(test, given, told(labels, row)) for row in range(len(TEXTS))]
        for test, given in (("has_none_of", words), ("has_any_of", ("explain",)), ("in", values))
    }
    assert found["has_none_of"] == [False, True, True, False, True, True, False]
    assert found["has_any_of"] == [False, False, True, False, False, False, False]
    assert found["in"] == [False, False, False, True, True, False, False]
    for row, text in enumerate(TEXTS):
        for test, given in (("has_none_of", words), ("has_any_of", ("explain",)), ("in", values)):
            assert raw_holds(test, given, text) == found[test][row]


def test_many_texts_are_few_labels() -> None:
    cut = Cut.of("prompt", [("has_none_of", ("summarize",))])
    labels = cut.labels(texts_of([f"question {n}" for n in range(5000)] + ["summarize"]))
    assert len(labels.names) == 2
    assert labels.codes.tolist() == [0] * 5000 + [1]


def test_one_text_in_so_many_stays_itself_the_same_in_every_log() -> None:
    ids = [f"pair-{n}" for n in range(4000)]
    few, fewer = (Cut("pair_id", one_in=one_in).labels(pairs_of(ids)) for one_in in (4, 8))
    kept = [{name for name in labels.names if name != " "} for labels in (few, fewer)]
    assert 800 < len(kept[0]) < 1200
    assert kept[1] < kept[0]
    assert {name.strip() for name in kept[0]} <= set(ids)


def pairs_of(ids: list[str]) -> Batch:
    return Batch(len(ids), np.zeros(len(ids), np.bool_), {}, {"pair_id": Labels.of(ids, len(ids))})


def test_words_are_text_and_not_patterns() -> None:
    cut = Cut.of("prompt", [("has_any_of", ("c++", "a.b"))])
    labels = cut.labels(texts_of(["in c++ please", "axb", "a.b"]))
    assert [cut.holds("has_any_of", ("c++", "a.b"), told(labels, row)) for row in range(3)] == [True, False, True]


def test_a_column_nobody_recorded_is_unknown() -> None:
    for column in ("input_tokens", "prompt"):
        labels = Cut(column, (50.0,)).labels(Batch(3, np.zeros(3, np.bool_)))
        assert labels.codes.tolist() == [-1, -1, -1]
    assert not Cut.of("input_tokens", [("<", ("50",))]).holds("<", ("50",), None)


def test_other_columns_stay_as_they_are() -> None:
    batch = texts_of(TEXTS)
    model = Labels.constant("m", batch.n)
    labels = cut_labels(Batch(batch.n, batch.failed, {}, {**batch.labels, "model": model}), (Cut("prompt", words=(("explain",),)),))
    assert labels["model"] is model
    assert set(labels["prompt"].names) <= {"0 ", "1 "}


def test_how_many_words_a_text_has_and_words_that_go_on() -> None:
    texts = ["one", "two words", "  three  words here ", "", None, "it explains", "unexplained"]
    asked = [("words<", ("2",)), ("words<=", ("3",)), ("words>=", ("3",)), ("has_any_of", ("*explain*",)), ("has_any_of", ("explain*",))]
    cut = Cut.of("prompt", asked)
    labels = cut.labels(texts_of(texts))
    expected = [
        [True, False, False, True, False, False, True],
        [True, True, True, True, False, True, True],
        [False, False, True, False, False, False, False],
        [False, False, False, False, False, True, True],
        [False, False, False, False, False, True, False],
    ]
    for (test, given), holds in zip(asked, expected, strict=True):
        assert [cut.holds(test, given, told(labels, row)) for row in range(len(texts))] == holds, (test, given)
        assert [raw_holds(test, given, text) for text in texts] == holds, (test, given)
