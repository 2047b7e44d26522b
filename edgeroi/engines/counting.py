"""Requests on their way into partial profiles: what waits to be counted together, and what is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edgeroi.census import MOST_GROUPS as MOST_COUNTED
from edgeroi.census import Census
from edgeroi.request import Batch, joined
from edgeroi.workload import Partial

#: Requests that wait to be counted together.
_COUNTED_TOGETHER = 1 << 17
#: Files counted apart at a time; what was counted of earlier ones is put by, which is smaller.
_MOST_CENSUSES = 64
#: The hidden column that keeps the files of a settled format apart.
FILE = "file"


class Bin(NamedTuple):
    """What is counted together: the format it must be settled by ('' for most), and where logs are kept apart, the file.

    ``tail``: the unfinished last line of the file.
    """

    kind: str = ""
    file: int | None = None
    tail: bool = False


class Counting:
    """Censuses that grow, by bin."""

    def __init__(self, by: tuple[str, ...]) -> None:
        self.by = by
        self._census: dict[Bin, Census] = {}
        self._waiting: dict[Bin, list[Batch]] = {}
        self._partials: dict[Bin, Partial] = {}

    def add(self, bin: Bin, batch: Batch, hidden: tuple[str, ...]) -> None:
        """Count the requests of a batch, soon; ``hidden`` are the columns its format is settled by."""
        if bin not in self._census:
            if len(self._census) >= _MOST_CENSUSES:
                self._partials = self.partials()
            self._census[bin] = Census(self.by + ((*hidden, FILE) if hidden else ()), most_groups=None if hidden else MOST_COUNTED)
        waiting = self._waiting.setdefault(bin, [])
        waiting.append(batch)
        if sum(batch.n for batch in waiting) >= _COUNTED_TOGETHER:
            self._count(bin)

    def add_partial(self, bin: Bin, partial: Partial) -> None:
        """Add what was counted elsewhere."""
        self._partials[bin] = sum_partials(self._partials.get(bin), partial)

    def _count(self, bin: Bin) -> None:
        batches, self._waiting[bin] = self._waiting[bin], []
        if batches:
            self._census[bin].add(joined(batches))

    def partials(self) -> dict[Bin, Partial]:
        """All that was counted, and nothing left to count."""
        for bin in self._waiting:
            self._count(bin)
        counted = {bin: census.partial() for bin, census in self._census.items()}
        told = {bin: sum_partials(counted.get(bin), self._partials.get(bin)) for bin in counted.keys() | self._partials.keys()}
        self._census, self._waiting, self._partials = {}, {}, {}
        return told


def sum_partials(one: Partial | None, two: Partial | None) -> Partial:
    """What both say; one of them is there."""
    if one is None or two is None:
        only = one or two
        assert only is not None
        return only
    return one + two


def merge(into: dict[Bin, Partial], partials: Mapping[Bin, Partial]) -> None:
    """Add the partials of one process to those of the others."""
    for bin, partial in partials.items():
        into[bin] = sum_partials(into.get(bin), partial)
