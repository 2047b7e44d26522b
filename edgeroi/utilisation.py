"""Dedicated servers in the books: how busy on average and at the peak, whether the edge inverts there, what idling and splitting cost.

A serverless edge has no line here: its provider pools tenants, so its servers and their load are unknown to anybody outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeroi.economics import Books
from edgeroi.option import Option
from edgeroi.prices import Unpriced
from edgeroi.queueing import Splitting, inversion_mean, inversion_quantile, splitting
from edgeroi.servers import Servers
from edgeroi.words import dollars, milliseconds, share

#: The share of requests that may wait where servers are counted, at a site or in one pool (``Splitting``): a fifth, as a common target.
MAY_WAIT = 0.20


@dataclass(frozen=True, slots=True)
class Inversion:
    """The utilisation above which a site is slower than one pool that is as busy, by the mean and by p99; ``None``: never.

    ``against``: ``large`` is a pool so large that nobody waits in it, ``same`` the servers of all sites in one place.
    """

    against: str
    mean: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Utilisation:
    """One option's servers. ``None`` is unknown, never 0; ``average`` and ``peak`` are shares of the servers' time.

    ``network_ms``: what the site saves of the network against the baseline, origin calls taken off. Waits are those of the fullest period.
    """

    servers: Servers
    holds_ms: float | None
    average: float | None
    peak: float | None
    network_ms: float | None = None
    inversions: tuple[Inversion, ...] = ()
    wait_mean_ms: float | None = None
    wait_p99_ms: float | None = None
    usd_month: float | None = None
    split: Splitting | None = None

    @property
    def idle_usd_month(self) -> float | None:
        """What is paid for time in which no request is served."""
        return None if self.usd_month is None or self.average is None else self.usd_month * max(0.0, 1 - self.average)

    @property
    def split_usd_month(self) -> float | None:
        """What the servers cost that only the splitting over sites asks for."""
        return None if self.usd_month is None or self.split is None else self.usd_month / self.servers.count * self.split.penalty

    def inverted(self, against: str, measure: str) -> bool | None:
        """Whether the fullest period is above the inversion; ``None`` where either is unknown."""
        limit = next((getattr(found, measure) for found in self.inversions if found.against == against), None)
        return None if limit is None or self.peak is None else self.peak > limit


def utilisation_of(books: Books, option: Option) -> Utilisation | None:
    """The utilisation of an option's servers; ``None`` where it has none of its own."""
    servers = option.servers
    if servers is None:
        return None
    holds, average, peak = servers.holds_ms({}), servers.rho({}), servers.rho({}, servers.rhythm.peak)
    network, pool = network_saved_ms(books, option), servers.peak_pool({})
    load = servers.load({}, servers.rhythm.peak)
    return Utilisation(
        servers,
        holds,
        average,
        peak,
        network,
        _inversions(servers, network, holds) if network is not None and holds else (),
        pool.mean_wait if pool else None,
        pool.wait_quantile(0.99) if pool else None,
        _capacity_usd(books, option),
        splitting(servers.sites, load, MAY_WAIT) if load is not None and servers.sites > 1 else None,
    )


def network_saved_ms(books: Books, option: Option) -> float | None:
    """The baseline's part of the network less the option's own and less its calls back to an origin, ms; ``None`` where unknown."""
    judge = books.stakes.judge
    before, after = books.baseline.timing(judge) or books.baseline.e2e, option.timing(judge) or option.e2e
    if before is None or after is None or before.network_part_ms is None:
        return None
    own = after.network_part_ms
    if own is None and not option.best_case:  # a best case without a round trip of its own has none
        return None
    calls = option.origin_calls
    back = calls.count.likely * calls.rtt.likely if calls else 0.0
    return before.network_part_ms - (own or 0.0) - back


def _inversions(servers: Servers, saved_ms: float, holds_ms: float) -> tuple[Inversion, ...]:
    pools = {"large": None, "same": servers.count}
    return tuple(
        Inversion(
            against,
            inversion_mean(saved_ms, holds_ms, per_site=servers.per_site, pool=pool),
            inversion_quantile(0.99, saved_ms, holds_ms, per_site=servers.per_site, pool=pool),
        )
        for against, pool in pools.items()
    )


def _capacity_usd(books: Books, option: Option) -> float | None:
    try:
        lines = books.cost_of(option).lines
    except Unpriced:
        return None
    paid = [line.usd_month for line in lines if line.kind == "capacity"]
    return float(sum(paid)) if paid else None


# ---- in words --------------------------------------------------------------------------------------------------------------


def busy_words(found: Utilisation) -> str:
    """How busy, in one line."""
    servers, rhythm = found.servers, found.servers.rhythm
    at = f" at {servers.sites} sites" if servers.sites > 1 else ""
    said = f"{servers.count} server{'s' if servers.count != 1 else ''}{at}"
    if found.average is None or found.peak is None:
        going = "" if rhythm.in_progress is None else f"; the log has {rhythm.in_progress:,.3g} requests in progress in its fullest hour"
        return f"{said}: state capacity: throughput, or service, to know how busy{going}"
    busy = f"{said}: {share(found.average)} busy on average"
    return f"{busy}, {share(found.peak)} in the fullest {rhythm.period} ({rhythm.peak_at})" if rhythm.peak_at else f"{busy} ({rhythm.why})"


def busy_details(name: str, found: Utilisation) -> Iterator[str]:
    """The inversion point, the wait, what idles, and what splitting costs."""
    if found.peak is not None and not found.inversions:
        yield f"where {name} turns slower than one pool is not known: state the rtt of both"
    for each in found.inversions:
        yield _inversion_words(name, found, each)
    if found.wait_mean_ms is not None and found.wait_p99_ms is not None:
        waits = f"mean {milliseconds(found.wait_mean_ms)} ms, p99 {milliseconds(found.wait_p99_ms)} ms"
        yield f"wait for a server in the fullest period: {waits} (modelled, M/M/c)"
    if found.idle_usd_month is not None:
        yield f"idle servers cost {dollars(found.idle_usd_month)} of {dollars(found.usd_month)} a month"
    if found.split and found.split_usd_month is not None:
        split = found.split
        needed = f"{split.sites} sites need {split.servers} servers, one pool {split.pooled}"
        more = f"splitting costs {split.penalty} servers, {dollars(found.split_usd_month)} a month"
        yield f"with at most {split.p_wait:.0%} waiting at the peak, {needed}: {more}"


def inverted_words(found: Utilisation) -> str:
    """That the servers are too busy for their place, in one phrase; empty where they are not, or nobody knows."""
    large = next((each for each in found.inversions if each.against == "large"), None)
    if large is None or large.mean is None or found.peak is None or not found.inverted("large", "mean"):
        return ""
    return f"its servers are {share(found.peak)} busy at the peak: slower on average than one large pool from {share(large.mean)} on"


def _inversion_words(name: str, found: Utilisation, each: Inversion) -> str:
    pool = {"large": "a large shared pool", "same": "its own servers in one place"}[each.against]
    if each.mean is None or each.p99 is None:
        return f"against {pool}: the same, there is one site"
    slow = [said for measure, said in (("mean", "on average"), ("p99", "at p99")) if found.inverted(each.against, measure)]
    verdict = f"at its peak it is slower {' and '.join(slow)}" if slow else "at its peak it is not"
    return f"{name} is slower than {pool} above {share(each.mean)} busy on average, above {share(each.p99)} at p99: {verdict}"
