"""genai-bench's result of one run: its requests, in the unit that ``_time_unit`` says for the whole file.

Read from genai-bench 0.0.5 (``metrics/``). Files without ``_time_unit`` are older and in seconds. A failed request has an
``error_code`` and null for its times. ``aggregated_metrics`` is the same requests once more and is not read for numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.document import ReportFormat, Told, each
from edgeroi.logs.load_test import first_token, scaled
from edgeroi.logs.reading import MS_PER, Reading
from edgeroi.logs.record import Bad
from edgeroi.logs.stated import within

_KEYS: Final = ("aggregated_metrics", "individual_request_metrics")
#: The units genai-bench writes.
_UNITS: Final = ("s", "ms")


def _tell(report: Mapping[str, Any], reading: Reading) -> Told | Bad:
    unit, listed = report.get("_time_unit", "s"), report.get("individual_request_metrics")
    if unit not in _UNITS:
        return Bad("wrong_type", f"_time_unit is {unit!r}, neither s nor ms")
    if not isinstance(listed, list):
        return Bad("missing_field", "individual_request_metrics is missing")
    scenario = within(report, "aggregated_metrics", "scenario")
    return Told(each(listed, lambda one: _judged(one, scenario, MS_PER[unit])), notes=[f"its times are in {unit}"])


def _judged(one: Mapping[str, Any], scenario: object, ms_per: float) -> dict[str, object]:
    latency, tokens = one.get("e2e_latency"), one.get("num_output_tokens")
    return {
        "workload": scenario,
        "error": one.get("error_code"),
        "latency_ms": scaled(latency, ms_per),
        "ttft_ms": scaled(first_token(one.get("ttft"), latency, tokens), ms_per),
        "input_tokens": one.get("num_input_tokens"),
        "output_tokens": tokens,
    }


FORMAT: Final = ReportFormat(
    name="genai-bench",
    unit="e2e_latency, in the file's _time_unit (s where it has none)",
    fields={
        "workload": "aggregated_metrics.scenario",
        "error": "error_code",
        "latency_ms": "e2e_latency",
        "ttft_ms": "ttft, where the answer is a stream",
        "input_tokens": "num_input_tokens",
        "output_tokens": "num_output_tokens",
    },
    lacks="when; model, cost",
    is_called="a genai-bench result",
    keys=_KEYS,
    tell=_tell,
)
