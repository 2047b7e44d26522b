"""What a page shows of one workload besides its tables: how long it takes, what it costs, and on what the answer hangs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from edgeroi.distributions import Ranked, cdf, histogram
from edgeroi.economics import Books
from edgeroi.latency import Latency
from edgeroi.option import Option
from edgeroi.prices import Unpriced
from edgeroi.prospect_report import s_curve, tornado
from edgeroi.report import Axis, Bar, Cell, Column, Curve, Figure, Mark, Row, Section, Table, Text, mark, text, usd, usd_signed
from edgeroi.verdict import Decision
from edgeroi.verdict_report import WORDS, net_of, weighed
from edgeroi.what_if import what_if

#: More options than these make a picture of distributions unreadable; the candidate and the baseline come first.
_MOST_CURVES = 5
#: Where the curve of net is told.
_PROBABILITIES = tuple(k / 200 for k in range(1, 200))

#: What each break-even is the value of, and the unit it is told in.
_TURNS: Mapping[str, tuple[str, str]] = {
    "waiting_usd_per_hour": ("an hour of waiting", "USD/h"),
    "usd_per_1k_requests": ("what a thousand requests are worth more", "USD/1,000"),
    "requests_month": ("requests a month", "requests"),
    "saved_ms": ("a saving on every request", "ms"),
    "price_ratio": ("the candidate's cost, as a multiple", "times"),
    "usd_per_miss": ("a missed deadline", "USD/miss"),
    "margin_usd_per_request": ("the margin of a request", "USD/request"),
}


def drawn_sections(decision: Decision) -> tuple[Section, ...]:
    """What can be moved, and every picture that the known numbers of a workload allow, in reading order."""
    case = decision.case
    found: list[Section | None] = [Text((), case.workload)]
    if not (case.missing_price or case.volume_unknown):
        found.append(what_if(decision))
    found += latency_figures(decision)
    if not (case.missing_price or case.volume_unknown):
        found.append(cost_figure(decision))
        if weighed(decision):
            found += [tornado_figure(case.books, case.workload), s_curve_figure(decision)]
        found.append(break_even_table(decision))
    return tuple(section for section in found if section is not None)


def verdict_figures(decisions: Sequence[Decision]) -> tuple[Figure, ...]:
    """The picture of verdicts: their nets, then one figure for each workload."""
    nets = net_figure(decisions)
    return (*(() if nets is None else (nets,)), *deciding_figures(decisions))


def net_figure(decisions: Sequence[Decision]) -> Figure | None:
    """Net a month of every workload with its 90 % interval; nothing is drawn of a net nobody knows."""
    known = [(decision, net) for decision in decisions if (net := net_of(decision)) is not None]
    if not known:
        return None
    bars = tuple(_net_bar(decision, *net) for decision, net in known)
    columns = (
        Column("workload", "workload"),
        Column("verdict", "verdict", "mark"),
        Column("net_usd_month", "net/month", "usd_signed", interval=True),
    )
    rows = tuple(
        Row((text(decision.case.workload), mark(bar.part, bar.tone), usd_signed(*net)))
        for (decision, net), bar in zip(known, bars, strict=True)
    )
    title = "net a month of each workload"
    table = Table(columns, rows, title, ("with its 90 % interval, where ranges were stated or requests sampled",), "nets")
    x, y = Axis("net, USD a month, 90 % interval", "usd_signed"), Axis("workload", "text")
    return Figure("intervals", title, x, y, table, bars=bars, marks=(Mark(0.0, "net 0"),), name="nets")


def _net_bar(decision: Decision, net: float, low: float, high: float) -> Bar:
    word, tone = WORDS[decision.verdict]
    return Bar(f"{decision.case.workload}: {word.lower()}", low, high, word.lower(), net, tone)


def deciding_figures(decisions: Sequence[Decision]) -> tuple[Figure, ...]:
    """One figure for each workload whose price is known: what net hangs on where ranges move it, else what its options cost."""
    known = [decision for decision in decisions if not (decision.case.missing_price or decision.case.volume_unknown)]
    found = [(tornado_figure(d.books, d.case.workload) if weighed(d) else None) or cost_figure(d) for d in known]
    return tuple(figure for figure in found if figure is not None)


# ---- how long it takes ----


def latency_figures(decision: Decision) -> Iterator[Figure | None]:
    """The distributions of the judged latency of every option that has one."""
    case = decision.case
    order = sorted(case.options, key=lambda name: (name != case.baseline, name != case.candidate))
    found = [(name, _judged(case.books, case.options[name])) for name in order]
    shown = [Ranked(name, latency) for name, latency in found if latency is not None][:_MOST_CURVES]
    what = "time to first token" if case.books.stakes.judge == "ttft" else "latency"
    yield cdf(shown, f"{case.workload}: {what}, share of requests done by then")
    yield histogram(shown, f"{case.workload}: {what}, how many took how long")


def _judged(books: Books, option: Option) -> Latency | None:
    return None if option.overload else books.latency_of(option)


# ---- what it costs ----


def cost_figure(decision: Decision) -> Figure | None:
    """What each priced option costs a month, built up of its cost lines; a credit goes to the left of 0."""
    case = decision.case
    bars = tuple(bar for name, option in case.options.items() for bar in _stack(name, case.books, option))
    if not bars:
        return None
    title = f"{case.workload}: what each option costs a month, line by line"
    return Figure("stacks", title, Axis("USD a month", "usd"), Axis("option", "text"), _stack_table(bars, title), bars=bars, name="costs")


def _stack(name: str, books: Books, option: Option) -> Iterator[Bar]:
    try:
        lines = books.cost_of(option).lines
    except Unpriced:
        return
    sums: dict[str, float] = {}
    for line in lines:
        sums[line.item] = sums.get(line.item, 0.0) + float(line.usd_month)
    above = below = 0.0
    for item, money in sums.items():
        start = above if money >= 0 else below
        yield Bar(name, start, start + money, item)
        above, below = (above + money, below) if money >= 0 else (above, below + money)


def _stack_table(bars: Sequence[Bar], title: str) -> Table:
    columns = (Column("option", "option"), Column("item", "item"), Column("usd_month", "USD/month", "usd"))
    rows = tuple(Row((text(bar.label), text(bar.part), usd(bar.end - bar.start))) for bar in bars)
    return Table(columns, rows, title, name="cost_build_up")


# ---- on what it hangs ----


def tornado_figure(books: Books, workload: str) -> Figure | None:
    """Net with each driver at its ends and all others likely."""
    table = tornado(books, workload)
    if table is None:
        return None
    bars = tuple(Bar(bar.driver.name, bar.low_net, bar.high_net) for bar in books.bars)
    marks = (Mark(books.likely.net, "likely"), Mark(0.0, "net 0"))
    x, y = Axis("net, USD a month", "usd_signed"), Axis("driver", "text")
    return Figure("ranges", table.title, x, y, table, bars=bars, marks=marks, name="tornado")


def s_curve_figure(decision: Decision) -> Figure | None:
    """The cumulated probability of net, from the worlds drawn."""
    books = decision.books
    table = s_curve(books, decision.case.workload, decision.case.limits)
    if table is None or books.prospect is None:
        return None
    nets = tuple(float(net) for net in np.quantile(books.prospect.net, _PROBABILITIES))
    x, y = Axis("net, USD a month", "usd_signed"), Axis("share of worlds with no more", "ratio")
    marks = (Mark(books.likely.net, "likely"), Mark(0.0, "net 0"))
    return Figure("curves", table.title, x, y, table, (Curve("net", nets, _PROBABILITIES),), marks=marks, name="s_curve")


def break_even_table(decision: Decision) -> Table | None:
    """The value of each driver at which net is 0, all others likely."""
    points = {name: value for name, value in decision.books.break_even.items() if value is not None}
    if not points:
        return None
    columns = (Column("driver", "where net turns"), Column("value", "at", "number"), Column("unit", "unit"))
    rows = tuple(Row((text(_TURNS[name][0]), Cell(value, "number"), text(_TURNS[name][1]))) for name, value in points.items())
    caption = "each alone, all others as they are likely; of waiting every saved millisecond counts where the median saving is not felt"
    return Table(columns, rows, f"{decision.case.workload}: break-even", (caption,), "break_even")
