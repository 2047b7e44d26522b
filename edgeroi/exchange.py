"""One request that was measured: when each thing happened, what came back, and the row of a log it becomes.

Times are nanoseconds of one monotonic clock. Latency counts from the intended send, so that a sender that came too late shows as
lateness and never as a faster answer; the wire's own share counts from the last byte sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

Connection = Literal["new", "reused"]
RowValue = None | bool | int | float | str | list[float] | list[str]

#: What a row is kept to: a hundredth of a microsecond would only be noise.
_DECIMALS = 4


@dataclass(slots=True)
class Stamps:
    """When each phase of an exchange ended, ns; ``None``: it did not happen, or not yet.

    ``begun``: the sender turned to it. ``dns``, ``connect`` and ``tls`` are durations of a connection that was opened for it.
    """

    begun: int = 0
    dns: int | None = None
    connect: int | None = None
    tls: int | None = None
    sent: int | None = None
    first_byte: int | None = None
    last_byte: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a dialect read out of a body: when content came, and the tokens the answer itself reports.

    ``content_ns``: the arrival of each piece of content, in order; empty where the answer was not streamed. Counts are ``None`` where
    the answer does not tell them: chunks are not tokens.
    """

    content_ns: tuple[int, ...] = ()
    streamed: bool = False
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    model: str | None = None
    error: str | None = None
    done_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what became of it. ``error``: ``None`` for an answer, else what kind of failure; a failure has a duration too.

    ``warm``: of the warm-up. ``cold``: sent after a silence, on a connection of its own. Neither counts among the steady ones.

    Of a request to a policy: ``answered_by``, the part whose answer it is (or whose failure, where nobody answered), and of every call
    that was begun, ``calls`` by part, ``given_up`` those that were cancelled, ``unpaid`` those stated to be free.
    """

    target: str
    intended_ns: int
    stamps: Stamps
    answer: Answer = Answer()
    status: int | None = None
    error: str | None = None
    connection: Connection | None = None
    http_version: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    site: str | None = None
    server_ms: float | None = None
    retry_after_s: float | None = None
    block: int = 0
    warm: bool = False
    cold: bool = False
    body: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    answered_by: str | None = None
    calls: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    unpaid: tuple[str, ...] = ()

    @property
    def steady(self) -> bool:
        """Whether it counts: neither warm-up nor cold start."""
        return not (self.warm or self.cold)

    @property
    def lateness_ms(self) -> float:
        """How long after its time the sender turned to it."""
        return (self.stamps.begun - self.intended_ns) / 1e6

    @property
    def ended_ns(self) -> int:
        """The last content of a streamed answer, whose closing frames do not count; else the last byte, or when a failure was known."""
        content = self.answer.done_ns if self.error is None else None
        return content or self.stamps.last_byte or self.stamps.begun

    @property
    def latency_ms(self) -> float:
        """Intended send to last byte; for a failure, to when it was known."""
        return (self.ended_ns - self.intended_ns) / 1e6

    @property
    def ttft_ms(self) -> float | None:
        """Intended send to the first piece of content; ``None`` where nothing was streamed."""
        return (self.answer.content_ns[0] - self.intended_ns) / 1e6 if self.answer.streamed and self.answer.content_ns else None

    @property
    def wire_ms(self) -> float | None:
        """Last byte sent to first byte received."""
        s = self.stamps
        return None if s.sent is None or s.first_byte is None else (s.first_byte - s.sent) / 1e6

    @property
    def gaps_ms(self) -> tuple[float, ...]:
        """Between pieces of content."""
        came = self.answer.content_ns
        return tuple((after - before) / 1e6 for before, after in pairwise(came))

    @property
    def network_ms(self) -> float | None:
        """What the server did not spend by its own account, handshakes included; ``None`` where it gave none."""
        if self.server_ms is None or self.error is not None:
            return None
        return max(0.0, (self.ended_ns - self.stamps.begun) / 1e6 - self.server_ms)


def row(exchange: Exchange, start: datetime, run: str) -> dict[str, RowValue]:
    """The line of a log: canonical columns first, then what only a probe knows.

    ``start``: the wall clock at 0 ns. ``run`` makes the ids of one run its own, so that logs of several can be read together.
    """
    answer, stamps = exchange.answer, exchange.stamps
    canonical: dict[str, RowValue] = {
        "timestamp": (start + timedelta(microseconds=exchange.intended_ns / 1000)).isoformat(timespec="microseconds"),
        "request_id": f"{run}-{exchange.block}-{exchange.target}",
        "pair_id": f"{run}-{exchange.block}",
        **exchange.labels,
        "status": exchange.status,
        "error": exchange.error,
        "streamed": answer.streamed,
        "connection": exchange.connection,
        "cold_start": exchange.cold or None,
        "latency_ms": exchange.latency_ms,
        "ttft_ms": exchange.ttft_ms,
        "network_ms": exchange.network_ms,
        "lateness_ms": max(0.0, exchange.lateness_ms),
        "input_tokens": answer.input_tokens,
        "cached_tokens": answer.cached_tokens,
        "cache_write_tokens": answer.cache_write_tokens,
        "output_tokens": answer.output_tokens,
    }
    own: dict[str, RowValue] = {
        "target": exchange.target,
        "dns_ms": _ms(stamps.dns),
        "connect_ms": _ms(stamps.connect),
        "tls_ms": _ms(stamps.tls),
        "first_byte_ms": exchange.wire_ms,
        "gaps_ms": [round(gap, _DECIMALS) for gap in exchange.gaps_ms] or None,
        "server_ms": exchange.server_ms,
        "site": exchange.site,
        "http_version": exchange.http_version,
        "bytes_out": exchange.bytes_out,
        "bytes_in": exchange.bytes_in,
        "body": exchange.body,
        "answered_by": exchange.answered_by,
        "calls": list(exchange.calls) or None,
        "given_up": list(exchange.given_up) or None,
    }
    said = {**canonical, **own}
    return {key: round(value, _DECIMALS) if isinstance(value, float) else value for key, value in said.items() if value is not None}


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e6
