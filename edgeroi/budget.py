"""Is more spent than was meant to be: budget, edge share and growth, each against its limit, with what is not known taken into account.

A rule passes where the whole interval does, fails where none of it does, and is undecided in between. Use that has no price could cost
anything up to the dearest plausible token price; where that could turn a pass, the rule is undecided too, and says from which price on.

A share of spend is not a share of use: at R times the price of the others' tokens, a share s of the spend is s/(R - (R - 1) s) of the
tokens; at 40 times the price 5 % of spend is 0.131 % of tokens. Nor does it say whether the edge pays: net benefit does (``gate.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edgeroi.forecast import Projection
from edgeroi.gate import Finding, Outcome, Status
from edgeroi.ledger import Charge, Ledger, Spent, spent
from edgeroi.option import EDGE
from edgeroi.prices import PLAUSIBLE_USD_PER_MTOK, UNITS
from edgeroi.words import dollars, share

#: What a token without a known price costs at most, in USD.
_MOST_USD = float(PLAUSIBLE_USD_PER_MTOK[1] / UNITS["Mtok"][1])
#: Undecided by these, a gate was asked for an answer that nobody has; the others are answers in doubt.
LACKING = ("data-missing", "price-missing")


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent: USD a calendar month, the share of the spend that is at the edge, and more than in the month before."""

    budget_usd_month: float | None = None
    edge_share: float | None = None
    growth: float | None = None

    @property
    def are_set(self) -> bool:
        """Whether anything is limited."""
        return any(limit is not None for limit in (self.budget_usd_month, self.edge_share, self.growth))


# The edge's share -----------------------------------------------------------------------------------------------------


def tokens_share(spend_share: float, price_ratio: float) -> float:
    """The share of the tokens that a share of the spend buys where a token costs ``price_ratio`` times as much as the others'.

    f R / (f R + 1 - f) = s, solved for f: 0.05 at 40 is 0.05/38.05 = 0.001314.
    """
    return spend_share / (price_ratio - (price_ratio - 1) * spend_share)


@dataclass(frozen=True, slots=True)
class EdgeShare:
    """What runs at the edge, as shares of all: of spend (low and high where the placement of some is unknown), of tokens, of requests.

    ``price_ratio``: USD per token at the edge over that elsewhere, of requests that tell tokens and have a price.
    """

    spend: float | None
    spend_high: float | None
    tokens: float | None
    requests: float | None
    price_ratio: float | None


def placed(charge: Charge) -> Literal["edge", "other", "unknown"]:
    """Where a charge arose, as far as the question is the edge."""
    return "unknown" if charge.placement is None else "edge" if charge.placement in EDGE else "other"


def edge_share_of(ledger: Ledger) -> EdgeShare:
    """The edge's share of everything in the ledger."""
    sums = {where: spent(charge for charge in ledger.charges if placed(charge) == where) for where in ("edge", "other", "unknown")}
    usd = {where: float(part.usd or 0) for where, part in sums.items()}
    tokens = {where: part.amounts.input_tokens + part.amounts.output_tokens for where, part in sums.items()}
    total, all_tokens = sum(usd.values()), sum(tokens.values())
    requests = sum(part.amounts.requests for part in sums.values())
    return EdgeShare(
        usd["edge"] / total if total else None,
        (usd["edge"] + usd["unknown"]) / total if total else None,
        tokens["edge"] / all_tokens if all_tokens else None,
        sums["edge"].amounts.requests / requests if requests else None,
        _price_ratio(ledger),
    )


def _price_ratio(ledger: Ledger) -> float | None:
    each: dict[str, float | None] = {}
    for where in ("edge", "other"):
        told = spent(c for c in ledger.charges if placed(c) == where and c.tokens_told and c.usd is not None)
        each[where] = float(told.usd) / told.priced_tokens if told.usd is not None and told.priced_tokens else None
    edge, other = each["edge"], each["other"]
    return edge / other if edge is not None and other else None


def share_words(found: EdgeShare, limit: float) -> tuple[str, ...]:
    """What a share of spend shows and what it does not, by the prices of the logs themselves where they tell both."""
    ratio, of_logs = (found.price_ratio, True) if found.price_ratio else (40.0, False)
    means = f"{share(limit)} of spend is {share(tokens_share(limit, ratio))} of tokens"
    if of_logs:
        said = f"In these logs a token at the edge costs {ratio:.3g} times one elsewhere: at that price {means}."
    else:
        said = f"The logs do not tell what tokens cost both at the edge and elsewhere; at 40 times the price {means}."
    return (said, "A share of spend shows where money goes. Whether it is well spent, net benefit shows: --scenario, or edgeroi check.")


# The rules ------------------------------------------------------------------------------------------------------------


def findings(limits: Limits, ledger: Ledger, projection: Projection | None, month: str | None, previous_usd: float | None) -> list[Finding]:
    """Every limit held against what was found. ``month``: of the last day; ``previous_usd``: of the month before, where it is whole."""
    found: list[Finding] = []
    if limits.budget_usd_month is not None:
        found.append(_budget(limits.budget_usd_month, ledger, projection, month))
    if limits.edge_share is not None:
        found.append(_edge_share(limits.edge_share, ledger))
    if limits.growth is not None:
        found.append(_growth(limits.growth, projection, previous_usd))
    return found


def combined_outcome(findings: Sequence[Finding], others: Sequence[Outcome | None] = ()) -> Outcome:
    """``fail`` beats ``undecided`` beats ``pass``."""
    told = {finding.status for finding in findings if finding.level == "error"} | set(others)
    return "fail" if "fail" in told else "undecided" if "undecided" in told else "pass"


def _budget(limit: float, ledger: Ledger, projection: Projection | None, month: str | None) -> Finding:
    of_month = ledger.where(lambda charge: charge.month == month)
    total = of_month.total
    may = f"{dollars(limit)} a month may be spent"
    if month is None or total.usd is None:
        why = "no request has a time" if month is None else f"nothing that was used in {month} has a price"
        return _missing("budget", why, limit, "data-missing" if month is None else "price-missing")
    if float(total.usd) > limit:
        return _held("budget", "fail", f"{month}: {dollars(float(total.usd))} is spent already; {may}", limit, float(total.usd))
    if projection is None:
        said = f"{month}: {dollars(float(total.usd))} so far, and fewer than seven whole days to tell the rest of the month from"
        return _missing("budget", said, limit, "data-missing")
    spread = f"{dollars(projection.low_usd)} to {dollars(projection.high_usd)}"
    said = f"{month}: {dollars(projection.likely_usd)} by its end ({spread}); {may}"
    if projection.low_usd > limit:
        return _held("budget", "fail", said, limit, projection.likely_usd)
    if projection.high_usd > limit:
        return _held("budget", "undecided", said, limit, projection.likely_usd)
    scale = projection.likely_usd / projection.seen_usd if projection.seen_usd else 1.0
    if turned := _turned_by_unpriced(total, limit - projection.high_usd, scale):
        return _missing("budget", f"{said}; {turned}", limit, "price-missing", projection.likely_usd)
    return _held("budget", "pass", said, limit, projection.likely_usd)


def _turned_by_unpriced(total: Spent, room: float, scale: float = 1.0) -> str | None:
    """Why a pass by this much room is none where unpriced use is among what is counted; ``None`` where it could not cost as much."""
    if total.untold_requests:
        each = dollars(room / (total.unpriced_requests * scale))
        return f"only if its {total.unpriced_requests:,} requests without a price cost less than {each} each"
    if total.unpriced_tokens * scale * _MOST_USD <= room:
        return None
    most = dollars(room / (total.unpriced_tokens * scale) * 1e6)
    return f"only if its {total.unpriced_tokens:,} tokens without a price cost less than {most} a million"


def _edge_share(limit: float, ledger: Ledger) -> Finding:
    found = edge_share_of(ledger)
    total = ledger.total
    if total.usd == 0 and not total.unpriced_requests:
        return _held("edge-share", "pass", "nothing was spent, at the edge or elsewhere", limit, None)
    if found.spend is None or found.spend_high is None:
        return _missing("edge-share", "nothing that was used has a price", limit, "price-missing")
    low, high = _share_bounds(ledger)
    may = f"{share(limit)} may be"
    if found.spend > limit and low > limit:
        return _held("edge-share", "fail", f"{share(found.spend)} of the spend is at the edge, {may}", limit, found.spend)
    said = f"{share(found.spend)} of the priced spend is at the edge, {may}"
    if high <= limit:
        return _held("edge-share", "pass", said, limit, found.spend)
    if found.spend <= limit < found.spend_high:
        unplaced = f"up to {share(found.spend_high)} if requests whose place is not told ran there"
        return _missing("edge-share", f"{said}; {unplaced}", limit, "data-missing", found.spend)
    return _missing("edge-share", f"{said}; use without a price could turn that", limit, "price-missing", found.spend)


def _share_bounds(ledger: Ledger) -> tuple[float, float]:
    """The least and the most that the edge's share can be, whatever the unpriced use costs and wherever the unplaced ran."""
    sums = {where: spent(charge for charge in ledger.charges if placed(charge) == where) for where in ("edge", "other", "unknown")}
    usd = {where: float(part.usd or 0) for where, part in sums.items()}
    most = {where: _most_usd(part) for where, part in sums.items()}
    edge, other, unplaced = usd["edge"], usd["other"], usd["unknown"]
    least = edge / ((edge + other + unplaced + most["other"] + most["unknown"]) or 1.0)
    reached = edge + unplaced + most["edge"] + most["unknown"]
    return least, 1.0 if reached == float("inf") else reached / ((reached + other) or 1.0)


def _most_usd(part: Spent) -> float:
    """What the unpriced of these could cost at most: without tokens, anything."""
    return float("inf") if part.untold_requests else part.unpriced_tokens * _MOST_USD


def _growth(limit: float, projection: Projection | None, previous_usd: float | None) -> Finding:
    if projection is None or not previous_usd:
        why = "fewer than seven whole days" if projection is None else "the logs do not hold all of the month before"
        return _missing("growth", f"{why}: nothing to grow from", limit, "data-missing")
    low, likely, high = (usd / previous_usd - 1 for usd in (projection.low_usd, projection.likely_usd, projection.high_usd))
    said = f"{projection.month}: {likely:+.1%} on the month before ({low:+.1%} to {high:+.1%}), {limit:+.1%} may be"
    status: Status = "fail" if low > limit else "pass" if high <= limit else "undecided"
    return _held("growth", status, said, limit, likely)


def _held(rule: str, status: Status, said: str, limit: float, value: float | None) -> Finding:
    return Finding(rule, None, "error", status, said, limit, value)


def _missing(asked: str, said: str, limit: float, rule: str, value: float | None = None) -> Finding:
    return Finding(rule, None, "error", "undecided", f"{asked}: {said}", limit, value)


def lacking(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The rules that had no answer to give."""
    return (finding for finding in findings if finding.level == "error" and finding.status == "undecided" and finding.rule in LACKING)
