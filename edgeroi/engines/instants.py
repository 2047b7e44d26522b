"""When the requests of a log began: for a probe that is to send as its users did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeroi.engines.counting import Bin
from edgeroi.engines.inputs import inputs_of, tasks_of
from edgeroi.engines.reader import Plan, Reader
from edgeroi.errors import EdgeroiError, Place
from edgeroi.logs.reading import reading
from edgeroi.logs.sources import expand
from edgeroi.request import NO_INSTANT, Batch
from edgeroi.workload import Partial


class _Instants:
    """Takes the place of counting: keeps when each request began, and nothing else."""

    def __init__(self) -> None:
        self.found: list[NDArray[np.int64]] = []

    def add(self, bin: Bin, batch: Batch, hidden: tuple[str, ...]) -> None:
        """The requests of a piece of log."""
        if batch.instants is not None:
            self.found.append(batch.instants[batch.instants != NO_INSTANT])

    def add_partial(self, bin: Bin, partial: Partial) -> None:
        """A saved profile, which no longer knows single requests: it adds nothing."""

    def partials(self) -> dict[Bin, Partial]:
        """Nothing was counted."""
        return {}


def instants_of(path: Path) -> NDArray[np.int64]:
    """Nanoseconds since the epoch (n,), ascending, of every request of a log of any format that tells its time.

    Raises ``EdgeroiError`` where the file is no log, or none of its requests tells its time.
    """
    inputs, _ = inputs_of(expand([path]), reading())
    plan, kept = Plan(inputs, tasks_of(inputs), reading()), _Instants()
    reader = Reader(plan, lambda _: None, lambda: False, counting=kept)
    for number in range(len(plan.tasks)):
        for _ in reader.read(number):
            pass
    found = np.sort(np.concatenate(kept.found)) if kept.found else np.zeros(0, np.int64)
    if not found.size:
        raise EdgeroiError("no request of the log tells its time", place=Place(str(path)), fix="replay a log with timestamps")
    return found
