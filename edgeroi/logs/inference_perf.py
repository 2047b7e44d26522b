"""inference-perf's ``*_lifecycle_metrics.json``: ready quantiles of a run or of one of its stages, in seconds.

Read from inference-perf's ``reportgen/base.py``. The quantiles are of successes. ``median`` is p50; ``time_to_first_token`` is null
where answers were not streamed. Which stage a report is of stands in its file's name only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.document import ReportFormat, Told, only
from edgeroi.logs.load_test import is_number
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.logs.stated import aggregate, counted, stated, within

_KEYS: Final = ("load_summary", "successes", "failures", "request_latency")
_MS_PER_S: Final = 1e3


def _tell(report: Mapping[str, Any], reading: Reading) -> Told | Bad:
    good = within(report, "successes")
    latency, first = (stated(within(good, "latency", name), _MS_PER_S) for name in ("request_latency", "time_to_first_token"))
    succeeded, errors = counted(within(good, "count")), counted(within(report, "failures", "count"))
    requests = succeeded + errors if succeeded is not None and errors is not None else None
    tokens = {"input_tokens": _mean(good, "prompt_tokens", "prompt_len"), "output_tokens": _mean(good, "output_tokens", "output_len")}
    one = aggregate(reading, latency, ttft=first, requests=requests, errors=errors, tokens=tokens)
    return only(one)


def _mean(good: object, *names: str) -> float | None:
    """The first mean that is stated: newer reports count what the server says, older ones lengths."""
    return next((float(mean) for name in names if is_number(mean := within(good, name, "mean"))), None)


FORMAT: Final = ReportFormat(
    name="inference-perf",
    unit="request_latency, s",
    fields={
        "latency_ms": "an aggregate: successes.latency.request_latency",
        "ttft_ms": "an aggregate: successes.latency.time_to_first_token",
        "input_tokens": "an aggregate: the mean of prompt_tokens, else prompt_len",
        "output_tokens": "an aggregate: the mean of output_tokens, else output_len",
        "error": "an aggregate: failures.count",
    },
    lacks="single requests, so an interval, a mix or a volume; when; model, cost; which stage it is (in the file's name)",
    is_called="inference-perf's report",
    keys=_KEYS,
    tell=_tell,
)
