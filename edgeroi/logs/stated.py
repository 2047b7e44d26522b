"""Aggregates as the formats make them: numbers a tool states, checked and brought to ms; what is no number is not stated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from edgeroi.aggregate import Aggregate, Stated
from edgeroi.histogram import LONGEST_MS
from edgeroi.logs.load_test import is_number
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import MOST_COUNT, Bad, Skip
from edgeroi.logs.rules import ruled_labels

NO_QUANTILE: Final = Bad("missing_field", "no quantile of a latency is stated")


#: ``p50``, ``p99.9``, ``p(95)``, ``99%``: what tools call a quantile.
_QUANTILE: Final = re.compile(r"p\(?(\d+(?:\.\d+)?)\)?|(\d+(?:\.\d+)?)%")
_MEDIAN: Final = frozenset(("med", "median"))


def quantile_of(key: str) -> float | None:
    """The quantile that a tool's key names, between 0 and 1; ``None`` for another key, and for the ends."""
    if key in _MEDIAN:
        return 0.5
    found = _QUANTILE.fullmatch(key)
    p = round(float(found[1] or found[2]) / 100, 9) if found else 0.0
    return p if 0 < p < 1 else None


def stated(
    told: object, ms_per: float, *, mean: str = "mean", low: str = "min", high: str = "max", names: Mapping[str, float] | None = None
) -> Stated:
    """One measure of a report. ``names``: its keys of quantiles, where they do not say themselves which they are.

    A quantile of 0 is one the tool had no request for.
    """
    known: Mapping[str, Any] = told if isinstance(told, dict) else {}

    def ms(key: str) -> float | None:
        value = known.get(key)
        return float(value) * ms_per if is_number(value) and 0 <= value * ms_per <= LONGEST_MS else None

    keyed = names or {key: p for key in known if (p := quantile_of(key)) is not None}
    found = {p: value for key, p in keyed.items() if (value := ms(key))}
    return Stated(dict(sorted(found.items())), ms(mean), ms(low), ms(high))


def counted(value: object) -> int | None:
    """A count that a report states."""
    return int(value) if is_number(value) and 0 <= value < MOST_COUNT else None


def aggregate(
    reading: Reading,
    latency: Stated,
    labels: Mapping[str, object] | None = None,
    *,
    ttft: Stated | None = None,
    requests: int | None = None,
    errors: int | None = None,
    tokens: Mapping[str, float | None] | None = None,
) -> Aggregate | Bad | Skip:
    """One run, keyed by the reading's columns, as constants and rules leave them; ``Bad`` where no quantile is stated.

    Where every request failed, what is stated are the times to failure: there is no latency then.
    """
    if requests and errors == requests:
        latency, ttft = Stated({}), None
    elif not latency.ms:
        return NO_QUANTILE
    if any(more < less for less, more in pairwise(latency.ms.values())):
        return Bad("out_of_range", "a quantile is stated that is less than a lower one")
    said = ruled_labels({column: text for column, text in (labels or {}).items() if isinstance(text, str) and text}, reading)
    if said is None:
        return Skip("other_record")
    key = {column: said.get(column) or None for column in reading.by}
    first = ttft if ttft and ttft.ms else None
    means = {column: mean for column, mean in (tokens or {}).items() if mean is not None}
    return Aggregate(key, reading.file or "", latency, first, requests, errors, means or None)


def within(told: object, *keys: str) -> Any:
    """What a path leads to in nested objects; ``None`` where it leads nowhere."""
    for key in keys:
        told = told.get(key) if isinstance(told, dict) else None
    return told
