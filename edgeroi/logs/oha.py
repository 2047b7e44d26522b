"""oha's ``--output-format json``: ready quantiles of one run, in seconds.

Read from oha's ``schema.json``, ``src/printer.rs`` and ``src/result_data.rs``. What the report hides:

- ``latencyPercentiles`` are of every request that was answered, a 500 too. With ``--stats-success-breakdown`` those of successes
  stand beside them and are taken instead.
- ``successRate`` counts every answer as a success. Failures here are answers from 400 on, and requests that nobody answered.
- Requests cut off when the time was up stand among the errors and are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.document import ReportFormat, Told, only
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.logs.stated import aggregate, counted, stated

_KEYS: Final = ("summary", "latencyPercentiles", "statusCodeDistribution")
_CUT_OFF: Final = "aborted due to deadline"
_LEAST_FAILURE: Final = 400
_MS_PER_S: Final = 1e3
_ALL_ANSWERS: Final = "oha's quantiles are of all answers, failed ones too; --stats-success-breakdown states those of successes"


def _tell(report: Mapping[str, Any], reading: Reading) -> Told | Bad:
    whole = report.get("summary")
    successes = stated(report.get("latencyPercentilesSuccessful"), _MS_PER_S)
    points = report.get("latencyPercentiles")
    everything: dict[str, object] = {**points, **(whole if isinstance(whole, dict) else {})} if isinstance(points, dict) else {}
    answers = stated(everything, _MS_PER_S, mean="average", low="fastest", high="slowest")
    requests, errors = _outcome(report)
    one = aggregate(reading, successes if successes.ms else answers, requests=requests, errors=errors)
    return only(one, [] if successes.ms or not errors else [_ALL_ANSWERS])


def _outcome(report: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Requests, and how many of them failed; ``None`` where the report does not say."""
    answers, faults = report.get("statusCodeDistribution"), report.get("errorDistribution")
    if not isinstance(answers, dict) or not isinstance(faults, dict):
        return None, None
    unanswered = sum(counted(n) or 0 for why, n in faults.items() if why != _CUT_OFF)
    refused = sum(counted(n) or 0 for status, n in answers.items() if not status.isdecimal() or int(status) >= _LEAST_FAILURE)
    return sum(counted(n) or 0 for n in answers.values()) + unanswered, refused + unanswered


FORMAT: Final = ReportFormat(
    name="oha",
    unit="latencyPercentiles, s",
    fields={
        "latency_ms": "an aggregate: latencyPercentilesSuccessful, else latencyPercentiles of all answers",
        "error": "an aggregate: statusCodeDistribution from 400 on, and errorDistribution but for the deadline",
    },
    lacks="single requests, so an interval, a mix or a volume; when; a first byte's quantiles; tokens, model, cost",
    is_called="oha's report",
    keys=_KEYS,
    tell=_tell,
)
