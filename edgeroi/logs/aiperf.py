"""AIPerf's ``profile_export.jsonl``: a request a line, every metric with its unit beside it.

Read from AIPerf 0.13 (``common/models/record_models.py``). What a record hides:

- The unit of a metric stands in the record and is read there; a value may be a list.
- A failed request has an ``error`` and no latency metric: how long it took to fail is the end less the start.
- Warm-up requests are written too, and so are requests that AIPerf cancelled itself: neither is a request to count.
- ``request_latency`` runs to the last chunk with content, ``request_end_ns`` to the end of the stream.
- Model and endpoint are not in the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.load_test import MAPPED, first_token, is_mapped, is_number, scaled, told
from edgeroi.logs.objects import first_objects, from_lines, is_array, known
from edgeroi.logs.reading import MS_PER, Reading
from edgeroi.logs.record import Bad, Skip
from edgeroi.logs.stated import within

#: AIPerf's names of the units of time.
_MS_PER: Final[Mapping[str, float]] = {**MS_PER, "sec": MS_PER["s"]}
_MS_PER_NS: Final = MS_PER["ns"]
_NEEDED: Final = ("metadata", "metrics")
_STAMPS: Final = ("request_start_ns", "request_end_ns")


def _canonical(record: Mapping[str, Any]) -> dict[str, object] | Bad | Skip:
    about, metrics = record.get("metadata"), record.get("metrics")
    if not isinstance(about, dict) or not isinstance(metrics, dict):
        return Bad("missing_field", "metadata or metrics is missing")
    if _is_left_out(about):
        return Skip("other_record")
    latency, first = (_ms(metrics, name) for name in ("request_latency", "time_to_first_token"))
    bad = next((one for one in (latency, first) if isinstance(one, Bad)), None)
    if bad is not None:
        return bad
    start, end = (about.get(name) for name in _STAMPS)
    error = record.get("error")
    if error is not None and latency is None and is_number(start) and is_number(end):
        latency = scaled(end - start, _MS_PER_NS)
    tokens = within(metrics, "output_sequence_length", "value")
    return {
        "timestamp": start,
        "request_id": about.get("x_request_id"),
        "session_id": about.get("conversation_id") or about.get("x_correlation_id"),
        "error": None if error is None else _kind(error),
        "latency_ms": latency,
        "ttft_ms": None if error is not None else first_token(first, latency, tokens),
        "input_tokens": within(metrics, "input_sequence_length", "value"),
        "output_tokens": tokens,
    }


def _is_left_out(about: Mapping[str, Any]) -> bool:
    """Whether a record is of the warm-up, or of a request that AIPerf cancelled or did not send."""
    phases = (about.get("benchmark_phase"), about.get("phase_kind"))
    return "warmup" in phases or about.get("was_cancelled") is True or about.get("context_overflow_skip") is True


def _ms(metrics: Mapping[str, Any], name: str) -> object:
    """A duration in ms by the unit beside it; ``None`` where it was not measured."""
    metric = metrics.get(name)
    if metric is None:
        return None
    unit = within(metric, "unit")
    if unit not in _MS_PER:
        return Bad("wrong_type", f"{name} is in {unit!r}, which is no unit of time")
    return scaled(within(metric, "value"), _MS_PER[unit])


def _kind(error: object) -> object:
    """What went wrong in a word: the status, else the type."""
    return (within(error, "code") or within(error, "type") or "failed") if isinstance(error, dict) else error


class AIPerf:
    """AIPerf's records of requests; see the module."""

    name = "aiperf"
    unit = "metrics.request_latency, in the unit beside it"
    counted: Literal["lines"] = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "model, cost; workload and placement: rules"
    fields: Mapping[str, str] = {
        "timestamp": "metadata.request_start_ns",
        "request_id": "metadata.x_request_id",
        "session_id": "metadata.conversation_id, else x_correlation_id",
        "error": "error.code, else error.type",
        "latency_ms": "metrics.request_latency; of failures request_end_ns - request_start_ns",
        "ttft_ms": "metrics.time_to_first_token",
        "input_tokens": "metrics.input_sequence_length",
        "output_tokens": "metrics.output_sequence_length",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """Lines with the parts of a record."""
        if is_mapped(reading):
            return MAPPED
        found = not is_array(head) and any(_is_record(record) for record in first_objects(head))
        return Claim(found, "AIPerf records" if found else f"no line has metadata.{_STAMPS[0]} and metrics")

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        return told(from_lines(chunk, reading, JUDGE), reading)


def _is_record(record: Mapping[str, Any]) -> bool:
    return all(isinstance(record.get(part), dict) for part in _NEEDED) and all(name in record["metadata"] for name in _STAMPS)


JUDGE: Final = known(_canonical)
FORMAT = AIPerf()
