"""The document, as JSON: keys sorted, so that the same report is the same bytes; exact decimals, shortest floats, never ``NaN``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal

from edgeroi.renderers import Page
from edgeroi.report import Json, Report


def render(report: Report, page: Page) -> str:
    """The report's document; ``page`` does not matter."""
    return write(report.document)


def write(value: Json) -> str:
    """``value`` as indented JSON with a newline at the end.

    Strings are escaped to ASCII, so that no control or bidirectional character reaches a terminal.
    Raises ``ValueError`` for a number that JSON cannot hold: unknown is ``None``, and NaN here is a bug.
    """
    return "".join(_pieces(value, "\n")) + "\n"


def write_compactly(value: Json) -> str:
    """The same in one line, for those who parse it and do not look: half the size."""
    return "".join(_pieces(value, None))


def _pieces(value: Json, indent: str | None) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _bracketed(("{", "}"), [(f"{json.dumps(str(key))}: ", value[key]) for key in sorted(value)], indent)
    elif isinstance(value, str) or value is None or isinstance(value, bool | int):
        yield json.dumps(value)
    elif isinstance(value, float | Decimal):
        yield _number(value)
    else:
        yield from _bracketed(("[", "]"), [("", item) for item in value], indent)


def _bracketed(brackets: tuple[str, str], items: list[tuple[str, Json]], indent: str | None) -> Iterator[str]:
    opening, closing = brackets
    if not items:
        yield opening + closing
        return
    deeper = None if indent is None else f"{indent}  "
    for place, (label, item) in enumerate(items):
        yield f"{',' if place else opening}{deeper or ''}{label}"
        yield from _pieces(item, deeper)
    yield (indent or "") + closing


def _number(value: float | Decimal) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number; unknown is null")
    return json.dumps(float(value)) if isinstance(value, float) else _exact(value)


def _exact(value: Decimal) -> str:
    """Every digit, and no exponent that a reader might take for an approximation."""
    return f"{value:f}" if -20 < value.adjusted() < 20 else f"{value:e}"
