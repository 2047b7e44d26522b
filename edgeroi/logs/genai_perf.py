"""genai-perf's ``profile_export.json`` (perf_analyzer): for each request when it was sent and when each response came, in ns.

Read from genai-perf 0.0.16 (``profile_data_parser/llm_profile_data_parser.py``). What it hides:

- The last response is often ``[DONE]`` or an empty chunk, the first a chunk with a role and no content: neither is an answer, and
  both are dropped before the first and the last are taken, as genai-perf does.
- A request without any response with content is left out by genai-perf; so it is here, and counted.
- Tokens are not counted: genai-perf counts them anew with a tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from edgeroi.logs.document import Judged, ReportFormat, Told, each
from edgeroi.logs.load_test import is_number
from edgeroi.logs.reading import MS_PER, Reading
from edgeroi.logs.record import Bad, Skip, epoch_unit
from edgeroi.logs.stated import within

_KEYS: Final = ("experiments", "response_timestamps")
_MS_PER_NS: Final = MS_PER["ns"]
_DATA, _DONE = "data:", "[DONE]"
#: Where the text of an answer, or of a part of it, stands.
_TEXTS: Final = (("delta", "content"), ("delta", "reasoning_content"), ("message", "content"), ("text",))


def _tell(report: Mapping[str, Any], reading: Reading) -> Told | Bad:
    runs = report.get("experiments")
    if not isinstance(runs, list):
        return Bad("missing_field", "experiments is missing")
    requests: list[Judged] = []
    for run in runs:
        requests += each(within(run, "requests"), partial(_judged, workload=_load(within(run, "experiment"))))
    empty = sum(isinstance(judged, Skip) for judged, _ in requests)
    said = "1 request has" if empty == 1 else f"{empty:,} requests have"
    notes = [f"{said} no response with content: left out, as genai-perf does"] if empty else []
    return Told(requests, notes=notes)


def _load(experiment: object) -> str | None:
    """``concurrency 10``, ``request_rate 5``."""
    mode, value = within(experiment, "mode"), within(experiment, "value")
    return f"{mode} {value}" if isinstance(mode, str) else None


def _judged(one: Mapping[str, Any], workload: str | None) -> dict[str, object] | Bad | Skip:
    sent, came, said = (one.get(name) for name in ("timestamp", "response_timestamps", "response_outputs"))
    if not is_number(sent) or not isinstance(came, list) or not all(map(is_number, came)):
        return Bad("wrong_type", "timestamp or response_timestamps are no numbers")
    outputs = said if isinstance(said, list) and len(said) == len(came) else [None] * len(came)
    if any(map(_is_error, outputs)):
        return {"workload": workload, "timestamp": _instant(sent), "error": "error event", "latency_ms": _since(sent, came[-1])}
    answers = [at for at, output in zip(came, outputs, strict=True) if _has_content(output)]
    if not answers:
        return Skip("other_record")
    return {
        "timestamp": _instant(sent),
        "workload": workload,
        "latency_ms": _since(sent, answers[-1]),
        "ttft_ms": _since(sent, answers[0]) if len(answers) > 1 else None,
    }


def _instant(sent: float) -> float | None:
    """A clock that counts from another start has no date."""
    return sent if epoch_unit(sent) == "ns" else None


def _since(sent: float, came: float) -> float:
    return (came - sent) * _MS_PER_NS


def _is_error(output: object) -> bool:
    text = _text(output)
    return text is not None and (text.lstrip().startswith("event: error") or '"object": "error"' in text or '"object":"error"' in text)


def _text(output: object) -> str | None:
    response = within(output, "response")
    return response if isinstance(response, str) else None


def _has_content(output: object) -> bool:
    """Whether a response holds a part of an answer; one that is no server-sent event is taken for one."""
    text = _text(output)
    if text is None:
        return output != {}
    return any(_event_has_content(event) for event in text.split("\n\n"))


def _event_has_content(event: str) -> bool:
    import msgspec

    body = event.strip().removeprefix(_DATA).strip()
    if not body or body == _DONE:
        return False
    try:
        chunk = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return True
    choices = within(chunk, "choices")
    if not isinstance(choices, list):
        return bool(within(chunk, "text_output")) if isinstance(chunk, dict) and "text_output" in chunk else True
    return any(within(choice, *path) for choice in choices for path in _TEXTS)


FORMAT: Final = ReportFormat(
    name="genai-perf",
    unit="response_timestamps - timestamp, ns",
    fields={
        "timestamp": "timestamp, ns",
        "workload": "experiment.mode and value",
        "error": "an error event among the responses",
        "latency_ms": "the last response with content - timestamp",
        "ttft_ms": "the first response with content - timestamp, where there are several",
    },
    lacks="tokens, model, cost; requests without any response",
    is_called="perf_analyzer's export",
    keys=_KEYS,
    tell=_tell,
)
