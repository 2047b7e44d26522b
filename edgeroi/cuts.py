"""Telling requests apart by what a rule asks: numbers by limits, texts by words or by a few values.

A column with many values cannot be grouped by; what a rule asks of it can. A ``Cut`` turns the values of one column into as few labels
as its conditions need, while the log is read, and says of a label whether a condition holds. What is unknown holds for none.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from zlib import crc32

import numpy as np

from edgeroi.request import COLUMNS, Batch, Labels

#: Kinds of columns that are numbers.
NUMERIC = ("duration", "count", "money", "ratio")
#: How the tests of a text's length in words begin: ``words<``, ``words>=``.
LENGTH = "words"


@dataclass(frozen=True)
class Cut:
    """What the conditions of one column tell apart.

    ``edges``: a number lies below or not below each (ascending). ``values``: texts that stay themselves, others being all the same.
    ``words``: for each, whether a text has any of them. ``lengths``: how many words a text has, below each or not. ``one_in``: one text in
    so many stays itself, which ones its own hash says, the same in every log. Picklable.
    """

    column: str
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()
    one_in: int = 0
    lengths: tuple[float, ...] = ()

    @classmethod
    def of(cls, column: str, asked: Iterable[tuple[str, tuple[str, ...]]]) -> Cut:
        """What these ``(test, values)`` of one column need."""
        edges: set[float] = set()
        lengths: set[float] = set()
        values: dict[str, None] = {}
        words: dict[tuple[str, ...], None] = {}
        for test, given in asked:
            if test == "in":
                values |= dict.fromkeys(given)
            elif test in ("has_any_of", "has_none_of"):
                words[given] = None
            elif test.startswith(LENGTH):
                lengths.add(edge_of(test.removeprefix(LENGTH), float(given[0])))
            else:
                edges.add(edge_of(test, float(given[0])))
        return cls(column, tuple(sorted(edges)), tuple(values), tuple(words), lengths=tuple(sorted(lengths)))

    def labels(self, batch: Batch) -> Labels:
        """The label of each request: what its value comes to, unknown where the value is."""
        if COLUMNS[self.column] in NUMERIC:
            return self._of_numbers(batch)
        told = batch.labels.get(self.column)
        if told is None:
            return Labels(np.full(batch.n, -1, np.int32), ())
        labels = [self._of_text(name) for name in told.names]
        places = {label: place for place, label in enumerate(dict.fromkeys(labels))}
        codes = np.array([*(places[label] for label in labels), -1], np.int32)  # the last stands for unknown
        return Labels(codes[told.codes], tuple(places))

    def _of_numbers(self, batch: Batch) -> Labels:
        numbers = batch.numbers.get(self.column)
        if numbers is None:
            return Labels(np.full(batch.n, -1, np.int32), ())
        bins = np.searchsorted(np.array(self.edges), numbers, side="right")
        return Labels(np.where(np.isnan(numbers), -1, bins).astype(np.int32), tuple(str(n) for n in range(len(self.edges) + 1)))

    def _of_text(self, text: str) -> str:
        has = "".join("1" if _has_any(words, text) else "0" for words in self.words)
        if self.lengths:
            has += f":{bisect_right(self.lengths, words_in(text))}"
        kept = text in self.values or (self.one_in > 0 and crc32(text.encode()) % self.one_in == 0)
        return f"{has} {text if kept else ''}"

    def holds(self, test: str, given: tuple[str, ...], label: str | None) -> bool:
        """Whether a condition holds for requests of this label."""
        if label is None:
            return False
        if test == "in":
            return label.partition(" ")[2] in given
        if test in ("has_any_of", "has_none_of"):
            return (label[self.words.index(given)] == "1") == (test == "has_any_of")
        if test.startswith(LENGTH):
            band, test = int(label.partition(" ")[0].partition(":")[2]), test.removeprefix(LENGTH)
            return (band <= self.lengths.index(edge_of(test, float(given[0])))) == (test in ("<", "<="))
        below = int(label) <= self.edges.index(edge_of(test, float(given[0])))
        return below if test in ("<", "<=") else not below

    def band(self, number: float) -> str:
        """The label a number gets."""
        return str(bisect_right(self.edges, number))

    @cached_property
    def bands(self) -> tuple[str, ...]:
        """The labels of numbers, ascending."""
        return tuple(str(n) for n in range(len(self.edges) + 1))


def edge_of(test: str, limit: float) -> float:
    """The least number on the upper side: the limit itself of ``<`` and ``>=``, the next one of ``<=`` and ``>``."""
    return limit if test in ("<", ">=") else math.nextafter(limit, math.inf)


def raw_holds(test: str, given: tuple[str, ...], value: str | None) -> bool:
    """Whether a condition on a text holds for a value that was kept as it is."""
    if value is None:
        return False
    if test.startswith(LENGTH):
        test = test.removeprefix(LENGTH)
        return (words_in(value) < edge_of(test, float(given[0]))) == (test in ("<", "<="))
    return value in given if test == "in" else _has_any(given, value) == (test == "has_any_of")


def cut_labels(batch: Batch, cuts: Sequence[Cut]) -> dict[str, Labels]:
    """The labels of a batch by column, those of cut columns in the place of what they were cut from."""
    return {**batch.labels, **{cut.column: cut.labels(batch) for cut in cuts}}


def words_in(text: str) -> int:
    """How many words a text has: what white space parts."""
    return len(text.split())


def _has_any(words: tuple[str, ...], text: str) -> bool:
    return _pattern(words).search(text) is not None


@lru_cache(maxsize=64)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the words as a whole one, whatever its case; a ``*`` at an end of it stands for more of the same word."""
    wanted = "|".join(_wanted(word) for word in words)
    return re.compile(rf"(?<!\w)(?:{wanted})(?!\w)", re.IGNORECASE)


def _wanted(word: str) -> str:
    bare = word.strip("*") or word
    before, after = (r"\w*" if more and bare != word else "" for more in (word.startswith("*"), word.endswith("*")))
    return f"{before}{re.escape(bare)}{after}"
