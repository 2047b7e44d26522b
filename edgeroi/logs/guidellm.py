"""GuideLLM's report (``benchmarks.json``): the requests of each of its runs, in three lists.

Read from GuideLLM 0.8.1 (schema version 2) and a report of 0.5 (version 1). What a report hides:

- ``request_latency`` is seconds, ``time_to_first_token_ms`` ms, in the same object.
- A request's fate is the list it stands in: ``successful``, ``errored``, or ``incomplete``. The last were cut off when the time was
  up: they are no failures, and are left out.
- The lists may be a sample (``sample_requests``) of the run. Then its own quantiles of all requests are taken, as an aggregate.
- A ``throughput`` run, also one of a sweep, keeps a queue on purpose: its times are the queue's. Runs are told apart by ``workload``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from edgeroi.aggregate import Aggregate
from edgeroi.logs.document import Judged, ReportFormat, Told, each
from edgeroi.logs.load_test import first_token, is_number, scaled
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Skip
from edgeroi.logs.stated import aggregate, counted, stated, within

_MARK: Final = "guidellm_version"
_MS_PER_S: Final = 1e3
_POINTS: Final = {"p001": 0.001, "p01": 0.01, "p05": 0.05, "p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75}
_QUANTILES: Final[Mapping[str, float]] = {**_POINTS, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
_FATES: Final = ("successful", "errored", "incomplete")


def _tell(report: Mapping[str, Any], reading: Reading) -> Told | Bad:
    runs = report.get("benchmarks")
    if not isinstance(runs, list):
        return Bad("missing_field", "benchmarks is missing")
    model = next((name for where in _MODELS if isinstance(name := within(report, *where), str)), None)
    requests, aggregates, notes = list[Judged](), list[Aggregate](), list[str]()
    for run in runs:
        labels = {"workload": _strategy(run), "model": model}
        listed = {fate: each(within(run, "requests", fate), partial(_judged, fate=fate, labels=labels)) for fate in _FATES}
        judged = [one for ones in listed.values() for one in ones]
        sampled = _sampled(run, listed)
        if sampled:
            one = _quantiles(run, labels, reading)
            notes.append(f"{labels['workload']}: the report lists {sampled} of its requests; the quantiles it states of all are taken")
            aggregates += [one] if isinstance(one, Aggregate) else []
            requests += [] if isinstance(one, Aggregate) else [(one, run)]
        requests += [(Skip("other_record"), one) for _, one in judged] if sampled else judged
        if str(labels["workload"]).startswith("throughput"):
            notes.append(f"{labels['workload']}: as many requests as can be at once, so its times are those of a queue")
    return Told(requests, aggregates, notes)


#: Where a report says which model was asked: version 2, and 1.
_MODELS: Final = (("config", "model"), ("config", "backend", "model"), ("config", "spec", "backend", "model"), ("args", "model"))


def _strategy(run: object) -> str | None:
    """How requests were sent: ``constant@5``, ``concurrent@8``, ``throughput``."""
    strategy = within(run, "config", "strategy") or within(run, "args", "strategy")
    kind, paces = within(strategy, "type_"), (within(strategy, "rate"), within(strategy, "streams"))
    pace = next((pace for pace in paces if is_number(pace)), None)
    return None if kind is None else str(kind) if pace is None else f"{kind}@{pace:g}"


def _sampled(run: object, listed: Mapping[str, Sequence[object]]) -> str | None:
    """``10 of 22`` where the lists are a sample."""
    totals = {fate: counted(within(run, "metrics", "request_totals", fate)) or 0 for fate in _FATES}
    there, all_ = sum(map(len, listed.values())), sum(totals.values())
    return f"{there:,} of {all_:,}" if any(len(listed[fate]) < totals[fate] for fate in _FATES) else None


def _judged(one: Mapping[str, Any], fate: str, labels: Mapping[str, object]) -> dict[str, object] | Skip:
    if fate == "incomplete":
        return Skip("other_record")
    start, end, took = one.get("request_start_time"), one.get("request_end_time"), one.get("request_latency")
    failed = fate == "errored"
    if failed and took is None and is_number(start) and is_number(end):
        took = max(0.0, end - start)
    latency, first = scaled(took, _MS_PER_S), one.get("time_to_first_token_ms")
    return {
        "timestamp": start,
        "request_id": one.get("request_id"),
        **labels,
        "error": (_text(within(one, "info", "error")) or "errored") if failed else None,
        "latency_ms": latency,
        "ttft_ms": None if failed else first_token(first, latency, one.get("output_tokens")),
        "input_tokens": one.get("prompt_tokens"),
        "cached_tokens": one.get("cached_tokens"),
        "output_tokens": one.get("output_tokens"),
    }


def _text(error: object) -> str | None:
    return error if isinstance(error, str) else None


def _quantiles(run: object, labels: Mapping[str, object], reading: Reading) -> Aggregate | Bad | Skip:
    latency = stated(_spread(run, "request_latency"), _MS_PER_S, names=_QUANTILES)
    first = stated(_spread(run, "time_to_first_token_ms"), 1.0, names=_QUANTILES)
    succeeded, errors = (counted(within(run, "metrics", "request_totals", fate)) for fate in _FATES[:2])
    tokens = {column: _mean(run, metric) for column, metric in _TOKENS.items()}
    requests = succeeded + errors if succeeded is not None and errors is not None else None
    return aggregate(reading, latency, labels, ttft=first, requests=requests, errors=errors, tokens=tokens)


_TOKENS: Final[Mapping[str, str]] = {"input_tokens": "prompt_token_count", "output_tokens": "output_token_count"}


def _spread(run: object, metric: str) -> Mapping[str, Any]:
    """Quantiles, mean and ends of the successes in one object."""
    found = within(run, "metrics", metric, "successful")
    points = within(found, "percentiles")
    return {**(found if isinstance(found, dict) else {}), **(points if isinstance(points, dict) else {})}


def _mean(run: object, metric: str) -> float | None:
    mean = within(run, "metrics", metric, "successful", "mean")
    return float(mean) if is_number(mean) else None


FORMAT: Final = ReportFormat(
    name="guidellm",
    unit="request_latency, s",
    fields={
        "timestamp": "request_start_time, s",
        "request_id": "request_id",
        "workload": "the strategy of the run and its rate or streams",
        "model": "config.model, config.backend.model or args.model",
        "error": "info.error of those in requests.errored",
        "latency_ms": "request_latency, s; of a sampled run metrics.request_latency.successful, as an aggregate",
        "ttft_ms": "time_to_first_token_ms, where the answer is a stream",
        "input_tokens": "prompt_tokens",
        "cached_tokens": "cached_tokens",
        "output_tokens": "output_tokens",
    },
    lacks="cost; requests that were cut off when the time was up; of a sampled run single requests",
    is_called="a GuideLLM report",
    keys=(_MARK,),
    tell=_tell,
)
