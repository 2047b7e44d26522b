"""AWS Bedrock model-invocation logs: one record a line as S3 keeps them, or pages of CloudWatch events whose message is the record.

Read from real records of the schema ``ModelInvocationLog`` 1.0 and the API reference of ``ConverseMetrics``. What the names hide:

- The record has no latency of its own. A streamed InvokeModel tells it in the last event of its body (``invocationLatency`` and
  ``firstByteLatency``, ms), Converse in ``metrics.latencyMs``, a plain InvokeModel nowhere; and there is no body where text was not
  logged or was too long and went to S3. A file in which no record tells a latency is refused; single ones are rejected.
- ``firstByteLatency`` is that of the first byte of a streamed answer: the nearest to a first token there is.
- ``timestamp`` has a resolution of one second.
- ``inputTokenCount`` does not hold the tokens read from a cache or written to one: they are added.
- ``modelId`` may be an ARN; the model is its last part. With an inference profile another region may answer: ``inferenceRegion``.
- Latency is measured by the service: the way to it is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.exported import Export, opened
from edgeroi.logs.record import Bad, Skip
from edgeroi.logs.times import added, before_end, first, utc

Json = Mapping[str, Any]

_SCHEMA: Final = "ModelInvocationLog"
_STREAM_METRICS: Final = "amazon-bedrock-invocationMetrics"
_NONE: Final = "no latency in its bodies: a plain InvokeModel logs none, and bodies that are not logged or went to S3 tell none"
_INSTEAD: Final = "log streamed or Converse calls with text data delivery on, or measure at the caller"

FIELDS: Final[Mapping[str, str]] = {
    "timestamp": "timestamp, to the second",
    "request_id": "requestId",
    "user_id": "identity.arn",
    "workload": "requestMetadata.workload, else operation",
    "provider": "bedrock",
    "model": "modelId, the last part of an ARN",
    "region": "inferenceRegion, else region",
    "status": "errorCode",
    "error": "errorCode",
    "streamed": "operation names a stream",
    "latency_ms": f"in outputBodyJson: {_STREAM_METRICS}.invocationLatency or metrics.latencyMs",
    "ttft_ms": f"in outputBodyJson: {_STREAM_METRICS}.firstByteLatency, of streams",
    "input_tokens": "input.inputTokenCount + the cached ones",
    "cached_tokens": "input.cacheReadInputTokenCount",
    "cache_write_tokens": "input.cacheWriteInputTokenCount",
    "output_tokens": "output.outputTokenCount",
}


def recognised(record: Json) -> str | None:
    """A record of the schema that tells a latency or a failure."""
    record = invocation(record)
    told = record.get("schemaType") == _SCHEMA and (record.get("errorCode") or _timing(record).get("latency_ms") is not None)
    return "invocation log" if told else None


def refused(record: Json) -> tuple[str, str] | None:
    """Why a log without any latency is of no use."""
    return (_NONE, _INSTEAD) if invocation(record).get("schemaType") == _SCHEMA else None


def invocation(record: Json) -> Json:
    """The record itself, where a CloudWatch event holds it as its message."""
    message = opened(record.get("message"))
    return message if isinstance(message, dict) else record


def canonical(record: Json) -> dict[str, object] | Bad | Skip:
    """An invocation in canonical columns, values still unchecked."""
    record = invocation(record)
    if record.get("schemaType") != _SCHEMA:
        return Skip("other_record")
    start, timing, error = utc(record.get("timestamp"), "timestamp"), _timing(record), record.get("errorCode") or None
    if isinstance(start, Bad):
        return start
    if timing["latency_ms"] is None and error is None:
        return Bad("null_required", f"the body of this {record.get('operation')} tells no latency")
    return _labels(record) | timing | _tokens(record) | {"timestamp": start, "status": "error" if error else "ok", "error": error}


def _timing(record: Json) -> dict[str, object]:
    streamed = "Stream" in str(record.get("operation"))
    metrics = _metrics(_object(record, "output").get("outputBodyJson"))
    latency_ms = first(metrics.get("invocationLatency"), metrics.get("latencyMs"))
    ttft_ms = before_end(metrics.get("firstByteLatency"), latency_ms) if streamed else None
    return {"streamed": streamed, "latency_ms": latency_ms, "ttft_ms": ttft_ms}


def _metrics(body: object) -> Json:
    """The metrics in a body: of the last event of a stream that tells them, or of the one answer."""
    events = [event for event in (body if isinstance(body, list) else [body]) if isinstance(event, dict)]
    told = (_metrics_of(event) for event in reversed(events))
    return next((metrics for metrics in told if metrics), {})


def _metrics_of(event: Json) -> Json:
    holders = (event, _object(event, "metadata"), _object(event, "chunk"))
    return next((found for holder in holders for key in (_STREAM_METRICS, "metrics") if (found := _object(holder, key))), {})


def _object(holder: Json, name: str) -> Json:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _labels(record: Json) -> dict[str, object]:
    model = record.get("modelId")
    return {
        "request_id": record.get("requestId"),
        "user_id": _object(record, "identity").get("arn"),
        "workload": first(_object(record, "requestMetadata").get("workload"), record.get("operation")),
        "provider": "bedrock",
        "model": model.rpartition("/")[2] if isinstance(model, str) else model,
        "region": first(record.get("inferenceRegion"), record.get("region")),
    }


def _tokens(record: Json) -> dict[str, object]:
    asked = _object(record, "input")
    read, written = asked.get("cacheReadInputTokenCount"), asked.get("cacheWriteInputTokenCount")
    return {
        "input_tokens": added(asked.get("inputTokenCount"), read, written),
        "cached_tokens": read,
        "cache_write_tokens": written,
        "output_tokens": _object(record, "output").get("outputTokenCount"),
    }


FORMAT = Export(
    name="bedrock",
    unit="invocationLatency or latencyMs in the logged body, ms",
    fields=FIELDS,
    canonical=canonical,
    recognised=recognised,
    wanted=f"schemaType {_SCHEMA}",
    pages=("events",),
    seen_from="server",
    refused=refused,
    shown=("schemaType", "timestamp", "region", "requestId", "operation", "modelId", "errorCode"),
    lacks="latency, where the logged body does not hold it; cost; the way to the service",
)
