"""Numbers as sentences write them: money small or large, milliseconds, shares."""

from __future__ import annotations

import math


def dollars(amount: float | None) -> str:
    """Money small or large, to three figures where cents would hide it."""
    if amount is None:
        return "-"
    if amount < 0:
        return f"-{dollars(-amount)}"
    if amount >= 1 or not amount:
        return f"${amount:,.2f}"
    decimals = 2 - math.floor(math.log10(amount))
    return f"${amount:.{decimals}f}".rstrip("0")


def signed(amount: float) -> str:
    """A difference of money: ``+$12.00`` or ``-$324.00``."""
    return f"{'-' if amount < 0 else '+'}{dollars(abs(amount))}"


def milliseconds(duration: float) -> str:
    """Whole ms from 10 on, two figures below."""
    return f"{duration:,.0f}" if abs(duration) >= 10 else f"{duration:.2g}"


def share(ratio: float) -> str:
    """A share in per cent, to three figures."""
    return f"{100 * ratio:.3g}%"
