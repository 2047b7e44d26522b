"""inference-perf's ``*_lifecycle_metrics.json``: ready quantiles of a run or of one of its stages, in seconds.

Read from inference-perf's ``reportgen/base.py``. The quantiles are of successes. ``median`` is p50; ``time_to_first_token`` is null
where answers were not streamed. Which stage a report is of stands in its file's name only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final, Literal

from edgeroi.logs.document import Told, from_reports, starts_with
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.load_test import MAPPED, is_mapped, is_number, told
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
    return one if isinstance(one, Bad) else Told(aggregates=[one])


def _mean(good: object, *names: str) -> float | None:
    """The first mean that is stated: newer reports count what the server says, older ones lengths."""
    return next((float(mean) for name in names if is_number(mean := within(good, name, "mean"))), None)


class InferencePerf:
    """inference-perf's report; see the module."""

    name = "inference-perf"
    unit = "request_latency, s"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks = "single requests, so an interval, a mix or a volume; when; model, cost; which stage it is (in the file's name)"
    fields: Mapping[str, str] = {
        "latency_ms": "an aggregate: successes.latency.request_latency",
        "ttft_ms": "an aggregate: successes.latency.time_to_first_token",
        "input_tokens": "an aggregate: the mean of prompt_tokens, else prompt_len",
        "output_tokens": "an aggregate: the mean of output_tokens, else output_len",
        "error": "an aggregate: failures.count",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A report with inference-perf's keys."""
        if is_mapped(reading):
            return MAPPED
        found = starts_with(head, *_KEYS)
        return Claim(found, "inference-perf's report" if found else f"no object with {', '.join(_KEYS)}")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """The report, which is one aggregate."""
        yield told(from_reports(stream, reading, _tell), reading)


FORMAT = InferencePerf()
