"""Requests as they were asked: the rows of a log told to options, and the sides of a pair brought together.

A log that asked two options the same thing (``pair_id``) tells of one request with two sides; every other row is a request with one.
What a router may look at is taken from the first side that tells it. Rows keep their own numbers: nothing is averaged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgeroi.cuts import Cut, words_in
from edgeroi.request import Batch, Labels
from edgeroi.spec import Condition, Route

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

#: What may be swept besides the numbers of a log: how many words the prompt has.
PROMPT_WORDS = "prompt_words"
#: Tokens are told apart by powers of this where two options are brought to one mix.
_BAND = 4.0


@dataclass(frozen=True, eq=False)
class Asked:
    """``n`` requests in the order they began in the log. ``rows`` (n, k): the row of each at each of the k ``options``, -1 where none.

    ``unmatched``: rows that no option stands for. ``without_latency``: answered rows that tell no duration, left out.
    ``ambiguous``: pairs with several rows of one option, whose rows are requests by themselves.
    """

    options: tuple[str, ...]
    batch: Batch
    rows: Places
    unmatched: int = 0
    without_latency: int = 0
    ambiguous: int = 0

    @classmethod
    def of(cls, batch: Batch, served_by: Places, options: Sequence[str]) -> Asked:
        """From a log and the number of the option that served each row (rows,), -1 where none did."""
        unmatched = int(np.count_nonzero(served_by < 0))
        silent = (served_by >= 0) & ~batch.failed & np.isnan(numbers_of(batch, "latency_ms"))
        kept = np.flatnonzero((served_by >= 0) & ~silent)
        option = served_by[kept]
        pair = _codes(batch, "pair_id")[kept].astype(np.int64)
        alone = pair.max(initial=-1) + 1 + np.arange(kept.size)
        group = np.where(pair < 0, alone, pair)
        k = max(1, len(options))
        twice = _members_of_repeated(group * k + option)
        shared = np.isin(group, group[twice])
        ambiguous = np.unique(group[shared]).size
        group = np.where(shared, alone, group)
        _, first, place = np.unique(group, return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first))
        rows = np.full((first.size, len(options)), -1, np.int64)
        rows[order[place], option] = kept
        return cls(tuple(options), batch, rows, unmatched, int(np.count_nonzero(silent)), ambiguous)

    @property
    def n(self) -> int:
        """How many requests there are, a pair being one."""
        return int(self.rows.shape[0])

    @cached_property
    def sides(self) -> Places:
        """How many options each request was asked of, (n,)."""
        return np.asarray((self.rows >= 0).sum(axis=1), np.int64)

    def has(self, option: str) -> Flags:
        """Which requests an option was asked (n,)."""
        return np.asarray(self.rows[:, self.options.index(option)] >= 0)

    def row_of(self, option: str) -> Places:
        """The row of each request at an option (n,), -1 where it was not asked there."""
        return np.asarray(self.rows[:, self.options.index(option)])

    @cached_property
    def request_of_row(self) -> Places:
        """The request each row of the log belongs to (rows,), -1 where none."""
        found = np.full(self.batch.n, -1, np.int64)
        for column in self.rows.T:
            found[column[column >= 0]] = np.flatnonzero(column >= 0)
        return found

    # ---- what a router looks at ----

    def number(self, column: str) -> Floats:
        """A number of each request (n,), of the first side that tells it; NaN where none does. ``prompt_words`` counts them."""
        if column == PROMPT_WORDS:
            told = self.batch.labels.get("prompt")
            counts = np.array([*(words_in(text) for text in (told.names if told else ())), np.nan], np.float64)
            values = counts[_codes(self.batch, "prompt")]
        else:
            values = numbers_of(self.batch, column)
        return self._first(values, ~np.isnan(values))

    def told(self, column: str) -> Flags:
        """Which requests tell a column at any side (n,)."""
        known = _codes(self.batch, column) >= 0 if column in self.batch.labels else ~np.isnan(numbers_of(self.batch, column))
        return ~np.isnan(self._first(np.zeros(self.batch.n), known))

    def text(self, column: str) -> Sequence[str | None]:
        """A text of each request, of the first side that tells it."""
        codes = _codes(self.batch, column).astype(np.float64)
        names = self.batch.labels[column].names if column in self.batch.labels else ()
        return [None if np.isnan(code) else names[int(code)] for code in self._first(codes, codes >= 0)]

    def _first(self, values: Floats, known: Flags) -> Floats:
        found = np.full(self.n, np.nan)
        for column in reversed(self.rows.T):
            told = (column >= 0) & np.append(known, False)[column]
            found[told] = values[column[told]]
        return found

    def holds(self, condition: Condition) -> Flags:
        """For which requests a condition holds (n,); for none of those that do not tell."""
        cut = Cut.of(condition.column, [(condition.test, condition.values)])
        labels: Labels = cut.labels(self.batch)
        each = [cut.holds(condition.test, condition.values, name) for name in labels.names]
        values = np.array([*each, False], np.float64)[labels.codes]
        return np.asarray(self._first(values, labels.codes >= 0) == 1.0)

    def sent_to(self, route: Route) -> Places:
        """The number of the first rule that fits each request (n,); as many as there are where none does."""
        found = np.full(self.n, len(route.rules), np.int64)
        for number in reversed(range(len(route.rules))):
            fits = np.ones(self.n, np.bool_)
            for condition in route.rules[number].when:
                fits &= self.holds(condition)
            found[fits] = number
        return found

    # ---- one mix ----

    @cached_property
    def mix_of_row(self) -> Places:
        """The band of tokens in and out of each row (rows,): what is compared is compared within a band."""
        bands = [_band(numbers_of(self.batch, column)) for column in ("input_tokens", "output_tokens")]
        return bands[0] * 64 + bands[1]

    @cached_property
    def mix(self) -> Places:
        """The band of each request (n,), that of its first side."""
        return self._first(self.mix_of_row.astype(np.float64), np.ones(self.batch.n, np.bool_)).astype(np.int64)


def _members_of_repeated(keys: Places) -> Flags:
    """Which keys (m,) stand there more than once."""
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(counts[place] > 1)


def _band(tokens: Floats) -> Places:
    """Powers of four; what is unknown is a band of its own."""
    known = np.nan_to_num(tokens, nan=0.0)
    return np.where(np.isnan(tokens), 63, np.floor(np.log(np.maximum(known, 1.0)) / np.log(_BAND))).astype(np.int64)


def _codes(batch: Batch, column: str) -> NDArray[np.int32]:
    told = batch.labels.get(column)
    return np.full(batch.n, -1, np.int32) if told is None else told.codes


def numbers_of(batch: Batch, column: str) -> Floats:
    """A column of numbers (rows,), NaN where the log does not have it."""
    found = batch.numbers.get(column)
    return np.full(batch.n, np.nan) if found is None else found


def only(batch: Batch, rows: Flags | Places) -> Batch:
    """Some of the requests, in every column."""
    return Batch(
        int(np.arange(batch.n)[rows].size),
        batch.failed[rows],
        {name: values[rows] for name, values in batch.numbers.items()},
        {name: Labels(labels.codes[rows], labels.names) for name, labels in batch.labels.items()},
        None if batch.instants is None else batch.instants[rows],
    )


def counted(batch: Batch, column: str) -> Mapping[str, int]:
    """How many rows tell each value of a text, most first."""
    told = batch.labels.get(column)
    if told is None:
        return {}
    counts = np.bincount(told.codes[told.codes >= 0], minlength=len(told.names))
    return {told.names[place]: int(counts[place]) for place in np.argsort(-counts, kind="stable") if counts[place]}
