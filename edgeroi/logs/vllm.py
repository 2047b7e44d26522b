"""Results of ``vllm bench serve --save-result``, one report a file or one a line: with ``--save-detailed`` the requests, else quantiles.

Read from vLLM's ``vllm/benchmarks/serve.py``. What a report hides:

- The lists (``latencies``, ``ttfts``, ``itls``...) are seconds and hold failed requests; the numbers named ``_ms`` are ms and do not.
- A failed request has 0 for its times. ``errors`` says why, unless the server gave no reason: then it is an empty text too.
- Older reports have no ``latencies``: the time is that to the first token and all gaps behind it.
- ``queue_times`` is how long a request waited for its turn at the client. At a finite rate it belongs to what a user would have
  waited for, and is added; at ``request_rate: "inf"`` every request is due at once, and it says nothing.
- ``start_times`` count from an unknown instant, and ``date`` is local: there is no date.
- Without lists there is an aggregate, and only where the end-to-end time was asked for (``--percentile-metrics e2el``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from edgeroi.aggregate import Stated
from edgeroi.logs.document import Judged, ReportFormat, Told, only
from edgeroi.logs.load_test import first_token, is_number, scaled
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.logs.stated import aggregate, counted, stated

_KEYS: Final = ("model_id", "num_prompts", "request_rate", "completed", "request_throughput")
_LISTS: Final = ("input_lens", "output_lens", "ttfts", "itls", "latencies", "queue_times", "errors")
_MS_PER_S: Final = 1e3
_NO_LATENCY: Final = Bad("missing_field", "no list of requests (--save-detailed) and no e2el quantiles (--percentile-metrics e2el)")


def _tell(report: Mapping[str, Any], reading: Reading) -> Told | Bad:
    lists = {name: report[name] for name in _LISTS if isinstance(report.get(name), list)}
    if "latencies" not in lists and not ("ttfts" in lists and "itls" in lists):
        return _quantiles(report, reading)
    if len({len(values) for values in lists.values()}) > 1:
        return Bad("missing_field", f"lists of different lengths: {', '.join(f'{name} {len(v)}' for name, v in lists.items())}")
    n = len(next(iter(lists.values())))
    queued = is_number(report.get("request_rate"))  # "inf" is text
    requests = [_request(report, {name: values[row] for name, values in lists.items()}, queued) for row in range(n)]
    return Told(requests, notes=_notes(report))


def _request(report: Mapping[str, Any], one: Mapping[str, Any], queued: bool) -> Judged:
    whole, first = _seconds(one), one.get("ttfts")
    waited = one.get("queue_times") if queued else None
    failed = bool(one.get("errors")) or whole == 0
    late = scaled(waited, _MS_PER_S)
    return {
        "workload": report.get("label"),
        "model": report.get("model_id"),
        "error": (one.get("errors") or "no answer") if failed else None,
        "latency_ms": _later(scaled(whole, _MS_PER_S), late),
        "ttft_ms": None if failed else _later(scaled(first_token(first, whole, one.get("output_lens")), _MS_PER_S), late),
        "lateness_ms": late,
        "input_tokens": one.get("input_lens"),
        "output_tokens": None if failed else one.get("output_lens"),
    }, report


def _seconds(one: Mapping[str, Any]) -> object:
    """The time a request took: its own, else that to the first token and the gaps."""
    if "latencies" in one:
        return one["latencies"]
    first, gaps = one["ttfts"], one["itls"]
    told = is_number(first) and isinstance(gaps, list) and all(map(is_number, gaps))
    return first + sum(gaps) if told else first


def _later(ms: object, late: object) -> object:
    return ms + late if is_number(ms) and is_number(late) else ms


def _notes(report: Mapping[str, Any]) -> list[str]:
    most = report.get("max_concurrency")
    if not is_number(most) or isinstance(report.get("queue_times"), list):
        return []
    return [f"at most {most:g} requests at a time: how long the others waited for their turn is not told"]


def _quantiles(report: Mapping[str, Any], reading: Reading) -> Told | Bad:
    e2e, first = (_stated(report, name) for name in ("e2el", "ttft"))
    if not e2e.ms:
        return _NO_LATENCY
    completed, failed = counted(report.get("completed")), counted(report.get("failed"))
    asked = counted(report.get("num_prompts"))
    requests = completed + failed if completed is not None and failed is not None else asked
    errors = failed if failed is not None else requests - completed if requests is not None and completed is not None else None
    labels = {"workload": report.get("label"), "model": report.get("model_id")}
    tokens = {column: _mean(report.get(key), completed) for column, key in _TOTALS.items()}
    one = aggregate(reading, e2e, labels, ttft=first, requests=requests, errors=errors, tokens=tokens)
    return only(one)


_TOTALS: Final[Mapping[str, str]] = {"input_tokens": "total_input_tokens", "output_tokens": "total_output_tokens"}


def _stated(report: Mapping[str, Any], metric: str) -> Stated:
    """``median_e2el_ms``, ``p99_e2el_ms``, ``mean_e2el_ms`` as one measure."""
    named = re.compile(rf"(mean|median|p[\d.]+)_{metric}_ms")
    return stated({found[1]: value for key, value in report.items() if (found := named.fullmatch(key))}, 1.0)


def _mean(total: object, n: int | None) -> float | None:
    return total / n if is_number(total) and n else None


def _unit_of(head: bytes) -> str | None:
    """Quantiles are ms, lists are seconds; a report with lists starts them with the lengths of the prompts."""
    return None if f'"{_LISTS[0]}"'.encode() in head else "e2el quantiles, ms"


FORMAT: Final = ReportFormat(
    name="vllm-bench",
    unit="latencies, else ttfts + itls, s",
    fields={
        "workload": "label",
        "model": "model_id",
        "error": "errors; a request that took 0 was not answered",
        "latency_ms": "latencies, else ttfts + the sum of itls, s; queue_times added at a finite rate; without lists e2el quantiles, ms",
        "ttft_ms": "ttfts, s, where the answer is a stream",
        "lateness_ms": "queue_times, s, at a finite rate",
        "input_tokens": "input_lens",
        "output_tokens": "output_lens",
    },
    lacks="when (its clock counts from an unknown instant); cost; without --save-detailed single requests",
    is_called="a vLLM benchmark",
    keys=_KEYS,
    tell=_tell,
    unit_of=_unit_of,
)
