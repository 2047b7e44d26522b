"""What else a command asks of every request while the logs are counted: a fold, that meets each request once.

Each process folds what it reads, and the folds add up; they know where each batch of requests stood, so that their sum does not
depend on who read what.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np

from edgeroi.request import Batch, joined

T = TypeVar("T")


class Slot(NamedTuple):
    """Where a batch of requests stood among the logs; slots are in the order of the logs and of their lines."""

    file: int
    task: int
    block: int
    number: int


class Fold(Protocol):
    """Something that grows with every request. Each process begins with a deep copy of the one it is given, which holds nothing yet.

    ``columns``: what it looks at besides what every profile does; nothing is grouped by them.
    """

    columns: tuple[str, ...]

    def add(self, slot: Slot, batch: Batch) -> None:
        """Some requests, in canonical columns, with what the mapping, its rules and constants say of them."""
        ...

    def __add__(self, other: Self) -> Self:
        """What both met; the order of the two does not matter."""
        ...


@dataclass
class Rows:
    """The requests themselves, for what cannot be told from counts: ``columns`` of each, when it began, and whether it failed.

    Memory grows with the requests: 8 bytes for each number, 4 for each label and its distinct texts.
    """

    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        """Nothing is held yet."""
        self._held: dict[Slot, Batch] = {}

    def add(self, slot: Slot, batch: Batch) -> None:
        """Keep the columns of these requests."""
        self._held[slot] = _only(batch, self.columns)

    def __add__(self, other: Rows) -> Rows:
        """The requests of both."""
        both = Rows(tuple(dict.fromkeys((*self.columns, *other.columns))))
        both._held = {**self._held, **other._held}
        return both

    def batch(self) -> Batch:
        """All requests in the order of the logs and their lines, whoever read them; columns that none tells are absent."""
        held = [self._held[slot] for slot in sorted(self._held)]
        return joined(held) if held else Batch(0, np.zeros(0, np.bool_))


def _only(batch: Batch, columns: tuple[str, ...]) -> Batch:
    return replace(batch, numbers=_of(batch.numbers, columns), labels=_of(batch.labels, columns))


def _of(held: Mapping[str, T], columns: tuple[str, ...]) -> dict[str, T]:
    return {column: held[column] for column in columns if column in held}


class Folding:
    """A process's share of a fold, which gives each batch its slot."""

    def __init__(self, fold: Fold) -> None:
        self.fold = copy.deepcopy(fold)
        self._met: dict[tuple[int, int, int], int] = {}

    def add(self, file: int, task: int, block: int, batch: Batch) -> None:
        """Requests of a file, as its lines are read in their order."""
        number = self._met[file, task, block] = self._met.get((file, task, block), -1) + 1
        self.fold.add(Slot(file, task, block, number), batch)

    def less_its_labels(self, batch: Batch, counted: tuple[str, ...]) -> Batch:
        """The batch as it is counted: without the texts that only the fold looks at."""
        unseen = set(self.fold.columns) - set(counted)
        return replace(batch, labels={column: labels for column, labels in batch.labels.items() if column not in unseen})
