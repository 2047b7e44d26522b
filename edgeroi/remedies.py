"""What would help without an edge: the cheaper fixes, each with its effect computed where its inputs are known, else with what is missing.

Round trips multiply: a cold connection pays three (TCP, TLS 1.3, the request), a warm one pays one. TLS that ends at a proxy near the
user, with a warm connection behind it, pays three short ones and one long: at 150 ms to the cloud and 5 ms to the proxy, 450 ms cold
become 165, against 150 warm. All effects are against the baseline, at its p50 and its traffic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgeroi.economics import Books
from edgeroi.estimate import Range
from edgeroi.option import Option, Tariff, Timing, Traffic, family
from edgeroi.prices import Unpriced
from edgeroi.regions import UserRegion
from edgeroi.spec import ONCE
from edgeroi.words import dollars, milliseconds, share, signed

#: Round trips of a request on a new connection: TCP, TLS 1.3, the request itself (RFC 9293, RFC 8446).
COLD_ROUND_TRIPS = 3
#: By how much output or uncached input is taken to shrink where its effect is shown.
SHRINKS_BY = 0.10


@dataclass(frozen=True, slots=True)
class Remedy:
    """One fix. ``saves_ms`` of the judged p50; ``usd_month`` USD a month more (negative: less); ``None`` is not known.

    ``condition``: what must be so for the effect to be there; ``missing``: what has to be known to compute it.
    """

    name: str
    saves_ms: float | None = None
    usd_month: float | None = None
    condition: str = ""
    missing: str = ""

    @property
    def known(self) -> bool:
        """Whether an effect was computed that is one."""
        return not self.missing and not self.condition and ((self.saves_ms or 0.0) > 0 or (self.usd_month or 0.0) < 0)


@dataclass(frozen=True, slots=True)
class NetworkShares:
    """The network's share of the baseline's whole answer and of its first token, each at p50; ``None`` where unknown."""

    e2e: float | None
    ttft: float | None


def network_shares(baseline: Option) -> NetworkShares:
    """Both shares: a saving of 50 ms is 0.4 % of an answer of 13.3 s and 6 % of its first token at 800 ms."""

    def of(judged: str) -> float | None:
        timing = baseline.timing(judged)
        if timing is None or timing.network_part_ms is None:
            return None
        p50 = timing.at({}).quantile(0.5)
        return timing.network_part_ms / p50 if p50 else None

    return NetworkShares(of("e2e"), of("ttft"))


def max_speedup(network_share: float) -> float:
    """How many times as fast a request could be at most, were its network gone (Amdahl, AFIPS 30, 1967)."""
    return 1 / (1 - network_share) if network_share < 1 else float("inf")


def cold_ms(rtt_ms: float, round_trips: float = COLD_ROUND_TRIPS) -> float:
    """Network time of a request on a new connection."""
    return round_trips * rtt_ms


def proxied_ms(rtt_ms: float, proxy_rtt_ms: float, round_trips: float = COLD_ROUND_TRIPS) -> float:
    """Network time with TLS at a proxy near the user: every round trip to the proxy, and one on its warm connection to the cloud."""
    return round_trips * proxy_rtt_ms + rtt_ms


def remedies_of(
    books: Books,
    options: tuple[Option, ...],
    *,
    regions: tuple[UserRegion, ...] = (),
    proxy_rtt_ms: float | None = None,
    from_cache: float | None = None,
) -> tuple[Remedy, ...]:
    """Every fix, in the order in which they are usually cheapest. ``from_cache``: the share of answers a response cache gave."""
    return (
        _keep_alive(books.baseline),
        _tls_proxy(books.baseline, proxy_rtt_ms),
        _streaming(books),
        _nearer_region(books, options, regions),
        _prompt_caching(books, from_cache),
        _shorter_output(books),
        _smaller_model(books, options),
    )


def _rtt(option: Option) -> tuple[float, Range] | None:
    """The mean round trip of one way to an option and how many a request takes; ``None`` where not stated or looked up."""
    timing = option.e2e or option.ttft
    leg = timing.leg if isinstance(timing, Timing) else None
    if leg is None or not leg.round_trips.likely:
        return None
    return leg.mean_ms({}) / leg.round_trips.likely, leg.round_trips


#: The round trips of a request are taken as those of a warm connection unless the scenario says otherwise.
_WHERE_COLD = "where a request opens a new connection, which round_trips does not say"
_WARM = "done: one round trip a request (round_trips: 1)"
_NO_RTT = "the round trip to {}: its rtt, or users_in with its region"


def _keep_alive(baseline: Option) -> Remedy:
    name, told = "keep connections open", _rtt(baseline)
    if told is None:
        return Remedy(name, missing=_NO_RTT.format(baseline.name))
    rtt, trips = told
    if trips.likely > 1:
        return Remedy(name, (trips.likely - 1) * rtt)
    return Remedy(name, cold_ms(rtt) - rtt, condition=_WHERE_COLD) if trips.why == ONCE.why else Remedy(name, 0.0, condition=_WARM)


def _tls_proxy(baseline: Option, proxy_rtt_ms: float | None) -> Remedy:
    name, told = "end TLS at an edge proxy", _rtt(baseline)
    if told is None or proxy_rtt_ms is None:
        return Remedy(name, missing=_NO_RTT.format(baseline.name if told is None else "a proxy near the users"))
    rtt, trips = told
    if trips.likely > 1:
        return Remedy(name, trips.likely * rtt - proxied_ms(rtt, proxy_rtt_ms, trips.likely))
    gain = cold_ms(rtt) - proxied_ms(rtt, proxy_rtt_ms)
    return Remedy(name, gain, condition=_WHERE_COLD) if trips.why == ONCE.why else Remedy(name, 0.0, condition=_WARM)


def _streaming(books: Books) -> Remedy:
    name, baseline = "stream the answer", books.baseline
    if books.stakes.judge == "ttft":
        return Remedy(name, 0.0, condition="done: the first token is what is judged")
    if books.stakes.felt is None:
        return Remedy(name, condition="nobody reads along, so nothing is gained")
    if baseline.e2e is None or baseline.ttft is None:
        return Remedy(name, missing="the time to the first token (ttft_ms in the log, or service_ttft)")
    return Remedy(name, baseline.e2e.at({}).quantile(0.5) - baseline.ttft.at({}).quantile(0.5), condition="to the first token")


def _nearer_region(books: Books, options: tuple[Option, ...], regions: tuple[UserRegion, ...]) -> Remedy:
    """An option in a region, measured or stated; else the regions of the users, where the book knows an offer there."""
    name = "serve from a nearer region"
    found = [option for option in options if option.placement == "regional" and option.name != books.baseline.name and not option.policy]
    for option in found:
        if effect := _against_baseline(books, option):
            return replace(effect, name=f"{name} ({option.name})")
    near = [(each.share, each.nearer) for each in regions if each.nearer]
    if near:
        saves = sum(part * nearer.saves_ms for part, nearer in near)
        where = ", ".join(dict.fromkeys(nearer.region for _, nearer in near))
        return Remedy(
            f"{name} ({where})", saves, sum(nearer.usd_month for _, nearer in near), "mean over all users, if it is offered there"
        )
    if regions:
        return Remedy(name, missing="an offer of the same model nearer to the users: none is known")
    return Remedy(name, missing="where the users are (users_in); one round-trip time stands for all of them")


def _against_baseline(books: Books, option: Option) -> Remedy | None:
    """What an option saves of the p50 and costs more; ``None`` where neither latency nor price is known, or it is slower."""
    latency, before = books.latency_of(option), books.before
    saves = before.quantile(0.5) - latency.quantile(0.5) if latency and before else None
    try:
        usd = float(books.cost_of(option).usd_month - books.baseline_cost.usd_month)
    except Unpriced:
        usd = None
    return None if saves is None or saves <= 0 else Remedy("", saves, usd)


def _prompt_caching(books: Books, from_cache: float | None) -> Remedy:
    traffic, tariff = books.stakes.traffic, books.baseline.tariff
    answered = f"; a cache gives {share(from_cache)} of the answers already" if from_cache else ""
    if not isinstance(tariff, Tariff) or not tariff.price.charges_tokens or traffic.input_tokens is None:
        return Remedy("cache", missing=f"the tokens of a request, and their price{answered}")
    if traffic.cached_tokens is None:
        return Remedy("cache", missing=f"how much of the input repeats (cached_tokens){answered}")
    cached, whole = traffic.cached_tokens.likely, traffic.input_tokens.likely
    name = f"cache more of the prompt: {share(cached / whole if whole else 0.0)} of the input is cached{answered}"
    if tariff.price.cached is None and not (tariff.price.neurons and tariff.price.neurons.cached_per_mtok is not None):
        return Remedy(name, missing="a rate for cached tokens: the price has none")
    more = min(SHRINKS_BY * whole, whole - cached - (traffic.cache_write_tokens.likely if traffic.cache_write_tokens else 0.0))
    usd = _usd_of(books, replace(traffic, cached_tokens=Range.point(cached + more)))
    return Remedy(name, None, usd, f"for another {SHRINKS_BY:.0%} of the input")


def _shorter_output(books: Books) -> Remedy:
    name, traffic, baseline = "shorter output", books.stakes.traffic, books.baseline
    tokens = traffic.output_tokens.likely if traffic.output_tokens else None
    if not tokens:
        return Remedy(name, missing="" if tokens == 0 else "output tokens", condition="there is no output" if tokens == 0 else "")
    usd = _usd_of(books, replace(traffic, output_tokens=Range.point(tokens * (1 - SHRINKS_BY))))
    condition = f"the whole answer, for {SHRINKS_BY:.0%} fewer tokens"
    pace = tpot_ms(baseline, tokens)
    if pace is None:
        return Remedy(name, None, usd, missing="the time per output token: ttft_ms beside latency_ms")
    return Remedy(name, SHRINKS_BY * tokens * pace, usd, condition)


def tpot_ms(option: Option, output_tokens: float) -> float | None:
    """Time per output token: the mean of the answer less that of its first token, over its tokens."""
    if option.e2e is None or option.ttft is None or not output_tokens:
        return None
    rest = option.e2e.at({}).mean_ms - option.ttft.at({}).mean_ms
    return rest / output_tokens if rest > 0 else None


def _smaller_model(books: Books, options: tuple[Option, ...]) -> Remedy:
    name, baseline = "a smaller model", books.baseline
    others = [each for each in options if not each.at_edge and not each.policy and each.model and baseline.model]
    for option in others:
        if family(option.model or "") != family(baseline.model or "") and (effect := _against_baseline(books, option)):
            return replace(effect, name=f"{name} ({option.name})")
    return Remedy(name, missing="an option off the edge with another model, and its quality")


def _usd_of(books: Books, traffic: Traffic) -> float | None:
    """What the baseline would cost more under other traffic."""
    tariff = books.baseline.tariff
    try:
        return None if tariff is None else float(tariff.cost(traffic, {}).usd_month - books.baseline_cost.usd_month)
    except Unpriced:
        return None


def details_of(found: tuple[Remedy, ...]) -> Iterator[str]:
    """A line per fix."""
    for each in found:
        effects = [f"saves {milliseconds(each.saves_ms)} ms"] if each.saves_ms else []
        effects += [f"{signed(each.usd_month)} a month"] if each.usd_month else []
        effects += [f"not known without {each.missing}"] if each.missing else []
        said = ", ".join(effects)
        condition = f" ({each.condition})" if said and each.condition else each.condition
        yield f"{each.name}: {said}{condition}" if said or condition else f"{each.name}: nothing"


def best_words(found: tuple[Remedy, ...], saved_ms: float, premium_usd: float) -> str:
    """The fix that saves at least what the edge does and costs less, in one phrase; empty where none is known to."""
    enough = [each for each in found if each.known and (each.saves_ms or 0.0) >= saved_ms > 0 and (each.usd_month or 0.0) < premium_usd]
    if not enough:
        return ""
    best = min(enough, key=lambda each: each.usd_month or 0.0)
    at = f" for {dollars(best.usd_month)} a month more" if (best.usd_month or 0.0) > 0 else ""
    return f"cheaper first: {best.name} saves {milliseconds(best.saves_ms or 0.0)} ms{at}"
