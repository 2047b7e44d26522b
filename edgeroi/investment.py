"""What is spent once against what comes back each month: return, payback, present value.

ROI = (net x months - spent) / spent; payback = spent / net, in months; present value = -spent + sum of net / (1 + r/12)^i, the yearly
rate r nominal and compounded monthly. Where net is not positive nothing is ever paid back, and that is ``None``, never a negative month.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Investment:
    """``spent_usd`` once, against ``horizon_months`` of net: ``roi`` as a share of 1, ``payback_months`` ``None`` where it never pays back.

    ``p_pays_back``: the probability that its present value is not negative, where net or what is spent is drawn.
    """

    spent_usd: float
    horizon_months: float
    roi: float | None
    payback_months: float | None
    npv_usd: float
    p_pays_back: float | None = None

    @property
    def in_time(self) -> bool:
        """Whether it is paid back within the horizon."""
        return self.payback_months is not None and self.payback_months <= self.horizon_months


def annuity(months: float, discount_rate: float) -> float:
    """What a dollar a month over so many months is worth today, paid at the end of each; a part of a month counts as a part."""
    monthly = discount_rate / 12
    return months if not monthly else (1 - (1 + monthly) ** -months) / monthly


def invested(spent_usd: float, net_usd_month: float, months: float, discount_rate: float = 0.0) -> Investment:
    """The investment of an amount that brings so much a month."""
    roi = (net_usd_month * months - spent_usd) / spent_usd if spent_usd else None
    payback = spent_usd / net_usd_month if net_usd_month > 0 else None
    npv = net_usd_month * annuity(months, discount_rate) - spent_usd
    return Investment(spent_usd, months, roi, payback, npv)
