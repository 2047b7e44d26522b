"""When the requests of a log began: for a probe that is to send as its users did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeroi.engines.folding import Rows
from edgeroi.engines.local import read_folded
from edgeroi.errors import EdgeroiError, Place
from edgeroi.logs.reading import reading
from edgeroi.request import NO_INSTANT


def instants_of(path: Path) -> NDArray[np.int64]:
    """Nanoseconds since the epoch (n,), ascending, of every request of a log of any format that tells its time.

    Raises ``EdgeroiError`` where the file is no log, or none of its requests tells its time.
    """
    instants = read_folded([path], reading(), Rows(()))[1].batch().instants
    found = np.zeros(0, np.int64) if instants is None else np.sort(instants[instants != NO_INSTANT])
    if not found.size:
        raise EdgeroiError("no request of the log tells its time", place=Place(str(path)), fix="replay a log with timestamps")
    return found
