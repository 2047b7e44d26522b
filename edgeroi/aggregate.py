"""What a tool states of requests it does not list: ready quantiles of one run, to be shown as they are.

An aggregate is no partial profile. Without the requests behind it nothing can be merged, averaged, reweighted or compared day by day,
and no interval can be given; so it stands beside the groups of a profile and is never added to one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stated:
    """One measure as it is stated: ms by quantile (0 < p < 1), the mean and both ends; what is not stated is ``None`` or absent."""

    ms: Mapping[float, float]
    mean_ms: float | None = None
    min_ms: float | None = None
    max_ms: float | None = None

    def quantile(self, p: float) -> float | None:
        """The stated quantile; nothing is interpolated."""
        return self.ms.get(p)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One run: which requests (``key``, as a group's), by which file, and what it states of them.

    ``errors`` of ``requests`` failed; where all did, ``latency`` states nothing.
    ``tokens``: the mean of a request by column (``input_tokens``, ``output_tokens``).
    """

    key: Mapping[str, str | None]
    file: str
    latency: Stated
    ttft: Stated | None = None
    requests: int | None = None
    errors: int | None = None
    tokens: Mapping[str, float] | None = None

    @property
    def error_ratio(self) -> float | None:
        """The share of requests that failed; ``None`` where it is not stated."""
        return self.errors / self.requests if self.errors is not None and self.requests else None

    def measure(self, name: str) -> Stated | None:
        """``ttft``, or ``latency`` end to end; ``None`` where nothing is stated."""
        return self.ttft if name == "ttft" else self.latency

    def mean(self, column: str) -> float | None:
        """Mean tokens of a request, where they are stated."""
        return (self.tokens or {}).get(column)

    @property
    def words(self) -> str:
        """Which one it is: its key and its file."""
        said = ", ".join(f"{column} {value}" for column, value in self.key.items() if value is not None)
        return f"{said} ({self.file})" if said else self.file
