"""One call of a model, as every log tells it: the canonical columns, and the account of every line.

A log format turns its own fields into these columns once, at the door; inside there is one name and one unit for each thing.
Durations are ms, money is USD, tokens are counts, instants are nanoseconds since the epoch in UTC.
Unknown is NaN, -1 or ``None``, never 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

ColumnKind = Literal["instant", "label", "duration", "count", "money", "ratio", "flag", "status", "error", "mark"]

#: How the columns begin that hold some other field of the log, for a rule to look at: ``field:api_base``.
MARK = "field:"


class _Columns(dict[str, ColumnKind]):
    """The kinds of columns by name; what a rule looks at is of kind ``mark``, and is none of the canonical columns."""

    def __missing__(self, column: str) -> ColumnKind:
        if column.startswith(MARK):
            return "mark"
        raise KeyError(column)


#: Every canonical column and what kind of thing it holds.
COLUMNS: Mapping[str, ColumnKind] = _Columns({
    "timestamp": "instant",
    "request_id": "label",
    "pair_id": "label",
    "session_id": "label",
    "user_id": "label",
    "attempt": "count",
    "workload": "label",
    "placement": "label",
    "variant": "label",
    "provider": "label",
    "model": "label",
    "model_version": "label",
    "region": "label",
    "service_tier": "label",
    "status": "status",
    "error": "error",
    "streamed": "flag",
    "connection": "label",
    "cold_start": "flag",
    "cache_hit": "flag",
    "latency_ms": "duration",
    "ttft_ms": "duration",
    "network_ms": "duration",
    "lateness_ms": "duration",
    "input_tokens": "count",
    "cached_tokens": "count",
    "cache_write_tokens": "count",
    "output_tokens": "count",
    "prompt": "label",
    "cost_usd": "money",
    "quality": "ratio",
    "confidence": "ratio",
})  # fmt: skip

#: Why a line could not be read as a request. A closed list: scripts rely on it.
REJECT_REASONS = (
    "bad_json",
    "not_object",
    "duplicate_key",
    "missing_field",
    "null_required",
    "wrong_type",
    "out_of_range",
    "bad_status",
    "bad_timestamp",
    "naive_timestamp",
    "invalid_utf8",
    "nul_byte",
    "nul_block",
    "bom_mid_file",
    "utf16",
    "too_deep",
    "line_too_long",
    "truncated_tail",
    "stream_truncated",
    "stream_corrupt",
    "ragged",
    "bad_quote",
)

#: The only key of a line that tells of a probe's run, of one that holds a request of its warm-up, and of one of a provoked cold start.
RUN_RECORD, WARM_UP_RECORD, COLD_RECORD = "edgeroi_run", "edgeroi_warm_up", "edgeroi_cold_start"

#: Why a well-formed line is not a request to count.
SKIP_REASONS = ("header", "other_record", "run_record", "cache_hit", "duplicate")


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that could not be read: where, why, and a short safe excerpt of it. ``line`` counts from 1."""

    file: str
    line: int
    reason: str
    detail: str
    raw: bytes


@dataclass(frozen=True)
class LineCount:
    """The account of lines: ``read = blank + profiled + rejected + skipped``, reason by reason.

    ``read`` is counted independently of the parser (newlines, or records where the format has records).
    """

    read: int = 0
    blank: int = 0
    profiled: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether every line read went somewhere, and nowhere twice."""
        return self.read == self.blank + self.profiled + self.total_rejected + self.total_skipped

    @property
    def total_rejected(self) -> int:
        """Lines rejected, whatever the reason."""
        return sum(self.rejected.values())

    @property
    def total_skipped(self) -> int:
        """Lines skipped, whatever the reason."""
        return sum(self.skipped.values())

    def __add__(self, other: Self) -> LineCount:
        """The account of both."""
        return LineCount(
            self.read + other.read,
            self.blank + other.blank,
            self.profiled + other.profiled,
            dict(sorted((Counter(self.rejected) + Counter(other.rejected)).items())),
            dict(sorted((Counter(self.skipped) + Counter(other.skipped)).items())),
        )


def less(lines: LineCount, part: LineCount) -> LineCount:
    """The account without a part of it."""
    return LineCount(
        lines.read - part.read,
        lines.blank - part.blank,
        lines.profiled - part.profiled,
        dict(sorted((Counter(lines.rejected) - Counter(part.rejected)).items())),
        dict(sorted((Counter(lines.skipped) - Counter(part.skipped)).items())),
    )


#: An instant nobody recorded.
NO_INSTANT = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Labels:
    """A column of text with few distinct values: ``codes[i]`` is the place in ``names``, -1 where unknown."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: Iterable[str | None], n: int) -> Labels:
        """Code ``n`` values in order of first appearance."""
        told = values if isinstance(values, list) else list(values)
        names = tuple(name for name in dict.fromkeys(told) if name is not None)
        places: dict[str | None, int] = {name: place for place, name in enumerate(names)} | {None: -1}
        return cls(np.fromiter(map(places.__getitem__, told), np.int32, n), names)

    @classmethod
    def constant(cls, value: str, n: int) -> Labels:
        """The same text ``n`` times."""
        return cls(np.zeros(n, np.int32), (value,))


@dataclass(frozen=True)
class Batch:
    """``n`` requests in canonical columns; a column nobody recorded is absent.

    ``numbers``: float64 (n,), NaN where unknown: durations in ms, counts, USD, ratios; flags as 0.0 / 1.0.
    ``labels``: text columns. ``instants``: int64 ns since the epoch, start of the request, ``NO_INSTANT`` where unknown.
    ``failed``: bool (n,), the requests that ended in an error.
    """

    n: int
    failed: NDArray[np.bool_]
    numbers: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    labels: Mapping[str, Labels] = field(default_factory=dict)
    instants: NDArray[np.int64] | None = None


def joined(batches: Sequence[Batch]) -> Batch:
    """The requests of all batches, in order, as one."""
    if len(batches) == 1:
        return batches[0]
    numbers = sorted({column for batch in batches for column in batch.numbers})
    labels = sorted({column for batch in batches for column in batch.labels})
    dated = any(batch.instants is not None for batch in batches)
    return Batch(
        sum(batch.n for batch in batches),
        np.concatenate([batch.failed for batch in batches]),
        {column: np.concatenate([_numbers(batch, column) for batch in batches]) for column in numbers},
        {column: _joined_labels([batch.labels.get(column) for batch in batches], batches) for column in labels},
        np.concatenate([_instants(batch) for batch in batches]) if dated else None,
    )


def _numbers(batch: Batch, column: str) -> NDArray[np.float64]:
    return batch.numbers[column] if column in batch.numbers else np.full(batch.n, np.nan)


def _instants(batch: Batch) -> NDArray[np.int64]:
    return np.full(batch.n, NO_INSTANT) if batch.instants is None else batch.instants


def _joined_labels(columns: Sequence[Labels | None], batches: Sequence[Batch]) -> Labels:
    names: dict[str, int] = {}
    codes = []
    for labels, batch in zip(columns, batches, strict=True):
        if labels is None:
            codes.append(np.full(batch.n, -1, np.int32))
        else:
            # The last place stands for unknown, whose code is -1.
            places = [names.setdefault(name, len(names)) for name in labels.names]
            codes.append(np.array([*places, -1], np.int32)[labels.codes])
    return Labels(np.concatenate(codes), tuple(names))
