"""Which day it is: the only clock a verdict hears."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime

from edgeroi.errors import EdgeroiError

#: Names the moment a result is made for, in seconds since 1970, so that the same input prints the same bytes on any later day
#: (https://reproducible-builds.org/specs/source-date-epoch/).
MOMENT = "SOURCE_DATE_EPOCH"


def today() -> date:
    """The day in UTC, or the one that ``SOURCE_DATE_EPOCH`` names; raises ``EdgeroiError`` where that is no number of seconds."""
    told = os.environ.get(MOMENT)
    if not told:
        return datetime.now(UTC).date()
    try:
        return datetime.fromtimestamp(int(told), UTC).date()
    except (ValueError, OverflowError, OSError):
        raise EdgeroiError(f"{told[:40]!r} is no moment", key=MOMENT, fix="give whole seconds since 1970-01-01, or unset it") from None
