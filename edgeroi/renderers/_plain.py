"""How each kind of cell reads in words, and text that cannot act on a terminal; shared by the renderers.

Widths: a duration has one decimal below 1,000 ms (two below 10, three below 1), money has cents below 100 USD and
three significant digits below 1, a share three significant digits in per cent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from edgeroi.report import Cell, CellKind, CellValue, Tone

UNKNOWN = "-"

#: A sign per tone, so that colour never carries the message alone.
SIGNS: Mapping[Tone, str] = {"plain": "", "good": "+", "bad": "x", "doubt": "?", "quiet": ""}

#: C0, DEL, C1, lone surrogates, invisible and bidirectional characters, line and paragraph separators, tags, noncharacters.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]"
)


def safe_text(raw: str) -> str:
    r"""The same text with every character that could act on a terminal or hide shown as ``\xNN`` or ``\u{NNNN}``.

    Tabs and newlines included: in a cell or a sentence they are as unexpected as an escape sequence.
    """
    return _UNSAFE.sub(_escaped, raw)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def said(cell: Cell, *, unicode: bool = True) -> str:
    """The cell's value in words, without its interval; ``?`` follows a value that its sample does not support."""
    if cell.value is None:
        return UNKNOWN
    if cell.kind == "mark":
        return f"{SIGNS[cell.tone]} {safe_text(str(cell.value))}".strip()
    if isinstance(cell.value, tuple):
        return spanned(cell.value, unicode=unicode) if cell.kind == "span" else drawn([int(n) for n in cell.value], unicode=unicode)
    return _value(cell.value, cell.kind) + ("" if cell.estimable else "?")


def said_interval(cell: Cell) -> str:
    """``low..high`` in the cell's own kind, ``-`` for an end that is not known; empty without an interval."""
    if cell.low is None and cell.high is None:
        return ""
    low, high = (UNKNOWN if end is None else _value(end, cell.kind) for end in (cell.low, cell.high))
    return f"{low}..{high}"


def _value(value: CellValue, kind: CellKind) -> str:
    if isinstance(value, str) or kind not in _WRITERS:
        return safe_text(str(value))
    if isinstance(value, tuple) or value is None:
        raise TypeError(f"{value!r} is not a {kind}")
    return _WRITERS[kind](value)


def number_said(value: float | Decimal, kind: CellKind) -> str:
    """A number in words, as a cell of that kind has it."""
    return _value(value, kind)


def count_words(value: float | Decimal) -> str:
    """``2,845``."""
    return f"{value:,.0f}"


def number_words(value: float | Decimal) -> str:
    """A number without a unit: four significant digits, never an exponent between 1e-4 and 1e15."""
    if value == 0:
        return "0"
    if abs(float(value)) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def ms_words(value: float | Decimal) -> str:
    """``65.9``, ``4,480``, ``0.042``: at least three significant digits."""
    size = abs(float(value))
    decimals = 0 if size >= 999.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 or not size else 3
    return f"{value:,.{decimals}f}"


def usd_words(value: float | Decimal) -> str:
    """``324``, ``3.20``, ``0.011``, ``1.33e-06``: whole dollars from 100, cents from 1, three significant digits below."""
    size = abs(float(value))
    if size >= 99.995:
        return f"{value:,.0f}"
    if size >= 0.9995 or not size:
        return f"{value:,.2f}"
    if size < 1e-4:
        return f"{value:.2e}"
    whole, _, decimals = f"{value:.{2 - math.floor(math.log10(size))}f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def usd_signed_words(value: float | Decimal) -> str:
    """``+324``, ``-360``, ``0``: a difference and its direction."""
    words = usd_words(value)
    return words if words.startswith("-") or not value else f"+{words}"


def ratio_words(value: float | Decimal) -> str:
    """``4.12 %``; a share that is not zero is never written as ``0 %``."""
    per_cent = 100 * float(value)
    if 0 < abs(per_cent) < 0.005:
        return "<0.01 %" if per_cent > 0 else ">-0.01 %"
    return f"{per_cent:,.0f} %" if abs(per_cent) >= 999.5 or not per_cent else f"{per_cent:.3g} %"


_WRITERS: Mapping[CellKind, Callable[[float | Decimal], str]] = {
    "count": count_words,
    "number": number_words,
    "ms": ms_words,
    "usd": usd_words,
    "usd_signed": usd_signed_words,
    "ratio": ratio_words,
}

_BLOCKS = " ▁▂▃▄▅▆▇█"
_LETTERS = " .:-=+*#@"


def drawn(counts: Sequence[int], *, unicode: bool = True) -> str:
    """Counts per bin as a line of blocks, the tallest full; a bin that holds anything shows at least the lowest block."""
    steps = _BLOCKS if unicode else _LETTERS
    tallest = max(counts, default=0)
    return "".join(steps[-(-count * (len(steps) - 1) // tallest) if tallest else 0] for count in counts)


SPAN_WIDTH = 32


def spanned(shares: Sequence[float], width: int = SPAN_WIDTH, *, unicode: bool = True) -> str:
    """A bar from the first to the second share of the width, a mark at the third; a bar of any length shows at least one block."""
    track, block, mark = "·█│" if unicode else ".#|"
    start, end = (min(width - 1, int(share * width)) for share in shares[:2])
    drawn_bar = [block if start <= place <= end and shares[1] > 0 else track for place in range(width)]
    if len(shares) > 2:
        drawn_bar[min(width - 1, int(shares[2] * width))] = mark
    return "".join(drawn_bar)
