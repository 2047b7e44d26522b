"""Spend as Prometheus metrics, in the text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).

Sums that only grow are counters and begin anew with every run; what can fall is a gauge. No sample carries a timestamp: the node
exporter's textfile collector takes none. Unknown has no sample, rather than one of 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_FLOOR, Decimal

from edgeroi.ledger import Spent
from edgeroi.spend_report import GROUPS, Spending

_PREFIX = "edgeroi_spend"
#: Rounded down, so that what is rounded in a share of an allowance can never make a counter fall.
_NANO = Decimal(1).scaleb(-9)
Labels = Sequence[tuple[str, str]]
Labelled = Sequence[tuple[list[tuple[str, str]], Spent]]


def exposition(found: Spending) -> str:
    """Everything as one text that ends with a newline."""
    return "".join(f"{line}\n" for line in (*_counters(found), *_gauges(found)))


def _counters(found: Spending) -> Iterator[str]:
    groups = found.ledger.by(GROUPS).items()
    labelled = [([(name, str(part or "")) for name, part in zip(GROUPS, key, strict=True)], told) for key, told in groups]
    yield from _metric("usd_total", "counter", "What requests with a known cost or price came to, in USD.", _usd(labelled))
    yield from _metric("requests_total", "counter", "Requests, priced or not.", ((at, told.amounts.requests) for at, told in labelled))
    yield from _metric("tokens_total", "counter", "Tokens that the log tells; cached ones are part of the input.", _tokens(labelled))
    unpriced = ((at, told.unpriced_requests) for at, told in labelled)
    yield from _metric("unpriced_requests_total", "counter", "Requests whose cost nobody tells; in no sum of USD.", unpriced)


def _usd(labelled: Labelled) -> Iterator[tuple[Labels, Decimal]]:
    return ((at, told.usd.quantize(_NANO, ROUND_FLOOR)) for at, told in labelled if told.usd is not None)


def _tokens(labelled: Labelled) -> Iterator[tuple[Labels, int]]:
    for at, told in labelled:
        for kind in ("input", "cached", "cache_write", "output"):
            if (tokens := told.told(f"{kind}_tokens")) is not None:
                yield [*at, ("kind", kind)], tokens


def _gauges(found: Spending) -> Iterator[str]:
    shares = [([("of", name)], value) for name in ("spend", "tokens", "requests") if (value := getattr(found.edge, name)) is not None]
    yield from _metric("edge_share_ratio", "gauge", "What of all is at the edge, as a share of 1.", shares)
    ends, budget = found.projection, found.limits.budget_usd_month
    if ends is not None:
        yield from _metric("month_usd", "gauge", "What the calendar month of the last request has cost so far.", [([], ends.seen_usd)])
        bounds = [([("bound", name)], getattr(ends, f"{name}_usd")) for name in ("low", "likely", "high")]
        yield from _metric("month_projection_usd", "gauge", "What that month will have cost, with its 95 % interval.", bounds)
    if budget is not None:
        yield from _metric("budget_usd", "gauge", "What a month may cost.", [([], budget)])
    if budget and ends is not None:
        used: list[tuple[Labels, float]] = [([], ends.seen_usd / budget)]
        yield from _metric("budget_used_ratio", "gauge", "How much of the budget the month has used, as a share of 1.", used)
    if found.gate is not None:
        states = [([("state", state)], int(found.gate == state)) for state in ("pass", "fail", "undecided")]
        yield from _metric("gate", "gauge", "1 for where the limits stand.", states)
    last = found.span_ns[1]
    if last is not None:
        at: list[tuple[Labels, float]] = [([], last / 1e9)]
        yield from _metric("last_request_timestamp_seconds", "gauge", "When the last request began, in seconds since 1970.", at)


def _metric(name: str, kind: str, says: str, samples: Iterator[tuple[Labels, object]] | Sequence[tuple[Labels, object]]) -> Iterator[str]:
    told = list(samples)
    if not told:
        return
    yield f"# HELP {_PREFIX}_{name} {says}"
    yield f"# TYPE {_PREFIX}_{name} {kind}"
    for labels, value in told:
        named = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
        yield f"{_PREFIX}_{name}{f'{{{named}}}' if named else ''} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else repr(value)
