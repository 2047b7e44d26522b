"""k6's summary of a run: ``--summary-export``, and the data of ``handleSummary`` written as JSON.

Read from k6 1.1, both as it wrote them. What the summary hides:

- ``http_req_duration`` holds failed requests; ``http_req_duration{expected_response:true}`` is that of the expected answers.
- ``passes`` of ``http_req_failed`` are the requests that did fail: the metric is "failed", and it passed.
- ``p(99)`` is there only where the script asks for it (``summaryTrendStats``).
- Connecting and TLS are not in the duration, as in k6's points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.document import ReportFormat, Told, only
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.logs.stated import aggregate, counted, stated, within

_ALL, _EXPECTED = "http_req_duration", "http_req_duration{expected_response:true}"
_KEYS: Final = ("root_group", "metrics", _ALL)
_FAILED_TOO: Final = "k6's quantiles hold failed requests: the summary does not state those of expected answers"


def _tell(report: Mapping[str, Any], reading: Reading) -> Told | Bad:
    expected = stated(_values(report, _EXPECTED), 1.0, mean="avg")
    latency = expected if expected.ms else stated(_values(report, _ALL), 1.0, mean="avg")
    failed = _values(report, "http_req_failed")
    errors, good = (counted(failed.get(name)) for name in ("passes", "fails"))
    requests = errors + good if errors is not None and good is not None else counted(_values(report, "http_reqs").get("count"))
    one = aggregate(reading, latency, requests=requests, errors=errors)
    return only(one, [] if expected.ms or not errors else [_FAILED_TOO])


def _values(report: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    """The numbers of a metric, which ``handleSummary`` keeps a level deeper."""
    found = within(report, "metrics", metric)
    inner = within(found, "values")
    return inner if isinstance(inner, dict) else found if isinstance(found, dict) else {}


FORMAT: Final = ReportFormat(
    name="k6-summary",
    unit="http_req_duration med, p(90), ..., ms",
    fields={
        "latency_ms": "an aggregate: http_req_duration{expected_response:true}, else http_req_duration",
        "error": "an aggregate: passes of http_req_failed",
    },
    lacks="single requests, so an interval, a mix or a volume; when; p99, unless the script asks for it; tokens, model, cost",
    is_called="k6's summary",
    keys=_KEYS,
    tell=_tell,
)
