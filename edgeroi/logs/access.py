"""What access logs share, however they are written: dashes, values in quotes, content types, and what a request asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from edgeroi.logs.delimited import number
from edgeroi.logs.format import Claim, Head
from edgeroi.logs.objects import first_objects, is_array
from edgeroi.logs.reading import Reading

#: What stands for an unknown value.
UNKNOWN: Final = ("", "-")


def claim_of_json(head: Head, reading: Reading, is_ours: Callable[[Mapping[str, Any]], bool], name: str, wanted: str) -> Claim:
    """Whether one of the first lines is a record of ours; where the user says which field is latency, JSON is read as they say."""
    if is_array(head):
        return Claim(False, "an array, no lines")
    if "latency_ms" in reading.fields:
        return Claim(False, "latency_ms is mapped, so JSON is read as mapped")
    told = any("latency_ms" not in record and is_ours(record) for record in first_objects(head))
    return Claim(told, f"JSON lines with {wanted}" if told else f"no JSON line has {wanted}", format=name)


def value(said: object) -> object:
    """A value that may stand in quotes: a number where it is written as one, ``None`` for a dash."""
    return (None if said in UNKNOWN else number(said)) if isinstance(said, str) else said


def text_of(said: object) -> object:
    """A value that is text or unknown."""
    return None if isinstance(said, str) and said in UNKNOWN else said


def streamed(content_type: object) -> bool | None:
    """Whether an answer of this type comes event by event; ``None`` where no type is told."""
    if not isinstance(content_type, str) or content_type in UNKNOWN:
        return None
    return content_type.partition(";")[0].strip().lower() in ("text/event-stream", "application/x-ndjson")


def first_told(record: Mapping[str, Any], names: Iterable[str]) -> object:
    """The first of these fields that is told."""
    return next((said for name in names if (said := text_of(record.get(name))) is not None), None)


def host_and_target(url: str) -> tuple[str, str]:
    """The host of a URL without its port, and the rest; of a URL that names no host, nothing and all of it."""
    scheme, mark, rest = url.partition("://")
    if not mark or "/" in scheme:
        return "", url
    host, slash, target = rest.partition("/")
    return re.sub(r":\d*$", "", host.rpartition("@")[2]), slash + target or "/"


def path_of_target(target: str) -> str:
    """A target without its query and fragment."""
    return target.partition("?")[0].partition("#")[0]
