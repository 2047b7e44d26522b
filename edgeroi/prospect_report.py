"""What is not certain, drawn: the tornado of the drivers, the S-curve of net, and what it is worth to know more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgeroi.draws import Prospect
from edgeroi.economics import SAMPLING, Bar, Books
from edgeroi.estimate import Range
from edgeroi.report import Cell, Column, Json, Row, Table, span, text, usd, usd_signed
from edgeroi.spec import GateLimits
from edgeroi.verdict import dollars, signed, sure_words

#: What a driver rests on, where it does not say so itself.
GUESS = "a guess: no why is stated"


def tornado(books: Books, workload: str) -> Table | None:
    """Net with each driver at its ends and all others likely, drawn to one scale; ``None`` where nothing moves net."""
    if not books.bars:
        return None
    columns = (
        Column("driver", "driver"),
        Column("low", "low", "number"),
        Column("likely", "likely", "number"),
        Column("high", "high", "number"),
        Column("low_net", "net at low", "usd_signed"),
        Column("high_net", "at high", "usd_signed"),
        Column("drawn", "drawn", "span", rank=2),
        Column("break_even", "break-even", "number"),
        Column("worth_knowing", "worth knowing", "usd"),
        Column("rests_on", "rests on"),
    )
    ends = [end for bar in books.bars for end in (bar.low_net, bar.high_net)]
    least, most = min(ends), max(ends)
    rows = tuple(_bar_row(books, bar, least, most - least) for bar in books.bars)
    return Table(columns, rows, f"{workload}: what net hangs on, USD a month", (_scale(books, least, most),), "drivers")


def _scale(books: Books, least: float, most: float) -> str:
    likely = f"drawn: {signed(least)} to {signed(most)}, the mark is the likely {signed(books.likely.net)}"
    return (
        f"each driver at its ends, all others likely · {likely} · worth knowing: what it would be worth a month to know this driver alone"
    )


def _bar_row(books: Books, bar: Bar, least: float, width: float) -> Row:
    driver, measured = bar.driver, bar.driver.name == SAMPLING
    ends = sorted((bar.low_net, bar.high_net))
    shares = [(net - least) / width for net in (*ends, books.likely.net)]
    numbers = [None if measured else number for number in (driver.low, driver.likely, driver.high)]
    return Row(
        (
            text(driver.name),
            *(Cell(number, "number") for number in numbers),
            usd_signed(bar.low_net),
            usd_signed(bar.high_net),
            span(shares[0], shares[1], min(1.0, max(0.0, shares[2]))),
            Cell(books.turn_of(bar), "number"),
            usd(books.worth_knowing(driver)),
            text(rests_on(driver), "doubt" if driver.is_guess else "plain"),
        )
    )


def rests_on(driver: Range) -> str:
    """What a driver rests on: its own reason, where it was measured or read, or that it is a guess."""
    return driver.why or (GUESS if driver.is_guess else driver.basis)


def s_curve(books: Books, workload: str, limits: GateLimits) -> Table | None:
    """The cumulated probability of net, drawn; ``None`` where net is one number."""
    prospect = books.prospect
    if prospect is None:
        return None
    columns = (
        Column("p", "in this share of worlds", "ratio"),
        Column("net", "net is at most", "usd_signed"),
        Column("drawn", "drawn", "span"),
    )
    rows = tuple(Row((Cell(p, "ratio"), usd_signed(net), span(0.0, p))) for p, net in prospect.s_curve)
    return Table(columns, rows, f"{workload}: how net may turn out, USD a month", _said(books, prospect, limits), "s_curve")


def _said(books: Books, prospect: Prospect, limits: GateLimits) -> tuple[str, ...]:
    chance = books.chance
    more = books.requests_to_settle(limits.edge_from, limits.fail_at)
    settled = f"about {more:,} more requests would settle it, were net to stay as it is" if more else ""
    said = (
        " · ".join(part for part in (sure_words(books), f"mean net {signed(float(prospect.net.mean()))}") if part),
        f"knowing everything before choosing is worth {dollars(prospect.evpi)} a month: measure only what costs less",
        settled,
        f"{chance.draws:,} worlds drawn, seed {chance.seed}",
    )
    return tuple(line for line in said if line)


# ---- for scripts -----------------------------------------------------------------------------------------------------------


def driver_documents(books: Books) -> Sequence[Mapping[str, Json]]:
    """Every driver that moves net, the widest first."""
    return [
        {
            "name": bar.driver.name,
            "low": bar.driver.low,
            "likely": bar.driver.likely,
            "high": bar.driver.high,
            "low_net": bar.low_net,
            "high_net": bar.high_net,
            "break_even": books.turn_of(bar),
            "worth_knowing_usd_month": books.worth_knowing(bar.driver),
            "shape": bar.driver.shape,
            "basis": bar.driver.basis,
            "why": bar.driver.why,
            "guess": bar.driver.is_guess,
        }
        for bar in books.bars
    ]


def prospect_document(books: Books, limits: GateLimits) -> Mapping[str, Json]:
    """What is worth knowing, the S-curve, which driver decides, and what is spent once; ``null`` where net is one number."""
    prospect, deciding, once = books.prospect, books.deciding, books.investment
    return {
        "evpi_usd_month": prospect.evpi if prospect else None,
        "s_curve": [{"p": p, "net_usd_month": net} for p, net in prospect.s_curve] if prospect else None,
        "settling": {"driver": deciding.driver.name, "requests": books.requests_to_settle(limits.edge_from, limits.fail_at)}
        if deciding
        else None,
        "investment": {
            "spent_usd": once.spent_usd,
            "horizon_months": once.horizon_months,
            "roi": once.roi,
            "payback_months": once.payback_months,
            "npv_usd": once.npv_usd,
            "p_pays_back": once.p_pays_back,
        }
        if once
        else None,
    }


#: What ``prospect_document`` says of a workload whose cost nobody knows.
NO_PROSPECT: Mapping[str, Json] = {"evpi_usd_month": None, "s_curve": None, "settling": None, "investment": None}
