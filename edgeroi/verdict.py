"""Is the edge worth it for this workload: the questions in their order, the evidence of each, and the first that decides.

Where ranges were stated or requests sampled, net is drawn and P(worth it), the share of worlds in which net is not negative, decides:
WORTH IT from ``edge_from`` on, NOT WORTH IT down to ``fail_at``, else UNDECIDED with the driver worth most to know. Without either net
is one number and its sign decides.

Evidence is asymmetric. An edge that nobody measured is judged by its best case: if even that loses, NOT WORTH IT is final; if it wins,
the verdict is to probe it. WORTH IT needs a measured candidate, or somebody who assumes it by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from edgeroi import attribution, regions, remedies
from edgeroi.economics import Books
from edgeroi.errors import Place
from edgeroi.estimate import Range
from edgeroi.gain import Gain
from edgeroi.latency import Latency
from edgeroi.option import Option
from edgeroi.prices import Unpriced
from edgeroi.spec import GateLimits, Needs
from edgeroi.tuning import Setting, best_setting
from edgeroi.utilisation import busy_details, busy_words, network_saved_ms, utilisation_of
from edgeroi.values.deadline import Deadline
from edgeroi.values.elasticity import Elasticity
from edgeroi.values.linear_time import LinearTime
from edgeroi.values.none import NoValue
from edgeroi.words import dollars as dollars
from edgeroi.words import milliseconds, share
from edgeroi.words import signed as signed

Verdict = Literal["worth_it", "not_worth_it", "no_reason_given", "required", "undecided", "impossible"]
Meets = Literal["meets", "misses", "unknown"]

#: A candidate whose quality is lower by more than this needs somebody to say what a point of quality is worth.
QUALITY_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Step:
    """One question, what is known about it, and the verdict where it decides; ``details`` are the figures behind the evidence."""

    question: str
    evidence: str
    verdict: Verdict | None = None
    reason: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One workload, ready to be judged: every option resolved, the stakes known.

    ``candidate``: what the change proposes, or the best other option where it proposes nothing. ``doubts``: why the judged latencies
    must not be held against each other (other mix, too short a log, unknown vantage). ``volume_unknown``: why requests are unknown.
    ``limits``: from which probability on it is worth it, and down to which it is not.
    """

    scenario: str
    workload: str
    options: Mapping[str, Option]
    baseline: str
    candidate: str
    books: Books
    runs_on: str | None = None
    needs: Needs = field(default_factory=Needs)
    doubts: tuple[str, ...] = ()
    volume_unknown: str | None = None
    cheapest_same_model: tuple[str, float] | None = None
    file: str = ""
    place: Place | None = None
    notes: tuple[str, ...] = ()
    gain: Gain = field(default_factory=Gain)
    limits: GateLimits = field(default_factory=GateLimits)

    def against_baseline(self, name: str) -> Books:
        """The books of another option against the same baseline."""
        return replace(self.books, candidate=self.options[name])

    @cached_property
    def all_books(self) -> Mapping[str, Books]:
        """Every option but the baseline, against the baseline."""
        return {name: self.against_baseline(name) for name in self.options if name != self.baseline}

    @property
    def missing_price(self) -> str | None:
        """Why the candidate or the baseline cannot be priced."""
        for option in (self.books.candidate, self.books.baseline):
            try:
                self.books.cost_of(option)
            except Unpriced as why:
                said = f"{why.message}: {why.fix}" if why.fix and ": " not in why.message else why.message
                return said if option.name in why.message.split() else f"{option.name} is unpriced: {said}"
        return None


@dataclass(frozen=True)
class Decision:
    """A case with its verdict. ``best``: the option with the highest net among those that may be relied on."""

    case: Case
    verdict: Verdict
    reason: str
    steps: tuple[Step, ...]
    best: str
    regret: float

    @property
    def books(self) -> Books:
        """The candidate's."""
        return self.case.books

    @cached_property
    def best_setting(self) -> Setting | None:
        """The best value of the candidate's knob where it is a policy and its net is known."""
        known = not (self.case.missing_price or self.case.volume_unknown) and has_value(self.case)
        return best_setting(self.books) if known and self.books.saved else None

    @property
    def decided_by(self) -> str:
        """The question that decided."""
        return next(step.question for step in self.steps if step.verdict)


Question = Callable[[Case], Step]


def decide(case: Case) -> Decision:
    """Ask every question in its order; the first that decides gives the verdict, the others still show their evidence."""
    steps = tuple(ask(case) for ask in QUESTIONS)
    deciding = next(step for step in steps if step.verdict)
    assert deciding.verdict is not None
    best, net = best_option(case)
    return Decision(case, deciding.verdict, deciding.reason, steps, best, max(0.0, net - _net(case, case.runs_on or case.baseline)))


def best_option(case: Case) -> tuple[str, float]:
    """The option with the highest net, the baseline's being 0; only options that meet every need and that somebody answers for."""
    nets = {case.baseline: 0.0}
    for name, books in case.all_books.items():
        if books.candidate.answered_for and not books.candidate.overload and "misses" not in needs_of(case, books.candidate).values():
            nets[name] = _net(case, name)
    best = max(nets, key=lambda name: nets[name])
    return best, nets[best]


def _net(case: Case, name: str) -> float:
    """Net against the baseline; minus infinity where it has no price."""
    if name == case.baseline or name not in case.all_books:
        return 0.0
    try:
        return case.all_books[name].likely.net
    except Unpriced:
        return float("-inf")


# ---- requirements ----------------------------------------------------------------------------------------------------------


def meets_deadline(latency: Latency | None, p: float, limit_ms: float) -> Meets:
    """Whether a quantile over all requests, failures counted as misses, keeps the limit, beyond the doubt of its sample.

    The share of misses is held against 1 - p: ``meets`` and ``misses`` need the whole interval on one side where it was sampled.
    """
    if latency is None:
        return "unknown"
    misses = latency.miss_estimate(limit_ms)
    allowed = 1 - p
    low, high = (misses.value if end is None else end for end in (misses.low, misses.high))
    if high <= allowed + 1e-12:
        return "meets"
    return "misses" if low > allowed else "unknown"


def keeps_data(option: Option, residency: str) -> bool:
    """Whether the data stays: on the device, on the site (edge or device), or in the region that is named; of a policy in every part."""
    if option.parts:
        return all(keeps_data(part, residency) for part in option.parts)
    if residency in ("device",):
        return option.placement == "device"
    if residency in ("site", "edge"):
        return option.at_edge
    return option.placement == "device" or (option.region or "").startswith(residency)


def works_offline(option: Option) -> bool:
    """Whether it answers without a network: at the edge; a fallback or a hedge where any part does, other policies where all do."""
    if not option.parts:
        return option.at_edge
    found = (works_offline(part) for part in option.parts)
    return any(found) if option.policy in ("fallback", "hedge") else all(found)


def needs_of(case: Case, option: Option) -> Mapping[str, Meets]:
    """Each stated need, and whether the option meets it."""
    found: dict[str, Meets] = {}
    if case.needs.residency:
        found["residency"] = "meets" if keeps_data(option, case.needs.residency) else "misses"
    if case.needs.offline:
        found["offline"] = "meets" if works_offline(option) else "misses"
    for p, limit in case.needs.deadline:
        met = "misses" if option.overload else meets_deadline(case.books.latency_of(option), p, limit.likely)
        found[deadline_name(p, limit)] = "unknown" if met == "meets" and _hopeful(option) else met
    if case.needs.min_quality is not None:
        known = option.quality
        found["quality"] = "unknown" if known is None else "meets" if known.likely >= case.needs.min_quality else "misses"
    return found


def _hopeful(option: Option) -> bool:
    """An edge whose latency is a best case or a bare statement: it may be ruled out by it, but keeps no deadline by it."""
    return option.at_edge and not option.answered_for


def deadline_name(p: float, limit: Range) -> str:
    """``p95 < 800 ms``."""
    return f"p{100 * p:g} < {limit.likely:g} ms"


def _cheaper_rivals(case: Case) -> tuple[tuple[str, float], ...]:
    """Options apart from candidate and baseline that cost less than the candidate, the cheapest first; edges only against no edge."""
    found = []
    for name, books in case.all_books.items():
        if name == case.candidate or books.candidate.unpriced or (case.books.candidate.at_edge and books.candidate.at_edge):
            continue
        less = case.books.likely.cost - books.likely.cost
        if less > 0:
            found.append((name, less))
    return tuple(sorted(found, key=lambda rival: -rival[1]))


def _requirement(case: Case) -> tuple[str, Verdict, str] | None:
    """``(need, verdict, reason)`` where a stated need settles the case."""
    candidate, baseline = needs_of(case, case.books.candidate), needs_of(case, case.books.baseline)
    if nothing := _each_misses(case):
        return nothing
    for need, met in candidate.items():
        if all(needs_of(case, option)[need] == "misses" for option in case.options.values()):
            return need, "impossible", f"no option meets {need}"
        if met == "misses":
            return need, "not_worth_it", f"{case.candidate} misses {need}"
    for need, met in candidate.items():
        if met == "unknown" and baseline[need] != "meets":
            return need, "undecided", _unsettled(case, need)
    missed = next((need for need, met in baseline.items() if met == "misses"), None)
    if missed is None:
        return None
    # A need that something cheaper may meet is no reason by itself; it takes none from an edge that money speaks for, either.
    earns = "undecided" if case.volume_unknown else _judge_money(case)[0]
    for rival, less in _cheaper_rivals(case):
        all_met = set(needs_of(case, case.options[rival]).values())
        if "misses" not in all_met and (earns == "worth_it" or (earns == "undecided" and all_met == {"meets"})):
            return None
        if all_met == {"meets"}:
            return missed, "not_worth_it", f"{rival} meets {missed} for {dollars(less)} a month less"
        if "misses" not in all_met:
            return missed, "undecided", f"{rival} costs {dollars(less)} a month less, and whether it meets {missed} is not known"
    return missed, "required", f"{case.baseline} misses {missed}, {case.candidate} meets it{_dearer_words(case)}"


def _each_misses(case: Case) -> tuple[str, Verdict, str] | None:
    """Where every option misses some need, though no need is missed by all: what each misses; decided where the candidate's is asked."""
    missed = {option.name: [need for need, met in needs_of(case, option).items() if met == "misses"] for option in case.options.values()}
    if not all(missed.values()) or set.intersection(*map(set, missed.values())):
        return None
    said = ", ".join(f"{name} misses {' and '.join(needs)}" for name, needs in missed.items())
    return missed[case.candidate][0], "impossible", f"no option meets every need: {said}"


def _dearer_words(case: Case) -> str:
    """That a nearer region meets a need for less than an edge that would meet it too."""
    if case.books.candidate.at_edge:
        return ""
    cost = case.books.likely.cost
    edges = [books for books in case.all_books.values() if books.candidate.at_edge and not books.candidate.unpriced]
    dearer = [books for books in edges if set(needs_of(case, books.candidate).values()) == {"meets"} and books.likely.cost > cost]
    cheapest = min(dearer, key=lambda books: books.likely.cost, default=None)
    return f" for {dollars(cheapest.likely.cost - cost)} a month less than {cheapest.candidate.name}" if cheapest else ""


def _unsettled(case: Case, need: str) -> str:
    """Why it is not known whether the candidate meets a need."""
    option = case.books.candidate
    if not _hopeful(option) or case.books.after is None or not any(need == deadline_name(p, limit) for p, limit in case.needs.deadline):
        return f"whether {option.name} meets {need} is not known"
    hope = "only the best case" if option.best_case else "an aggregate without its requests" if _is_aggregate(case) else "a stated latency"
    return f"{hope} meets {need}, probe {option.name}"


def _seen(case: Case, option: Option, need: str) -> str:
    """What a deadline is held against: the quantile, and who misses the limit, with its interval where it was sampled."""
    latency = case.books.latency_of(option)
    for p, limit in case.needs.deadline:
        if need == deadline_name(p, limit) and latency is not None:
            late = latency.miss_estimate(limit.likely)
            ends = f", {100 * late.low:.3g}..{100 * late.high:.3g}" if late.low is not None and late.high is not None else ""
            return f" ({latency.quantile(p):,.0f} ms; {100 * late.value:.3g} % late{ends})"
    return ""


def _need_step(case: Case, question: str, needs: tuple[str, ...], absent: str) -> Step:
    asked = [need for need in needs if need in needs_of(case, case.books.baseline)]
    if not asked:
        return Step(question, absent)
    said = [
        f"{name}: {', '.join(f'{met} {need}{_seen(case, option, need)}' for need, met in needs_of(case, option).items() if need in asked)}"
        for name, option in case.options.items()
    ]
    settled = None if case.missing_price else _requirement(case)
    if settled and settled[0] in asked:
        return Step(question, "; ".join(said), settled[1], settled[2])
    return Step(question, "; ".join(said))


# ---- the questions, in order -----------------------------------------------------------------------------------------------


def enough_data(case: Case) -> Step:
    """Prices and volume first: without them nothing can be said about money."""
    missing = case.volume_unknown or case.missing_price
    if missing:
        return Step("enough data?", missing, "undecided", missing)
    sides = (("baseline", case.books.before), ("candidate", case.books.after))
    known = [f"{which} latency {_sample(latency)}" for which, latency in sides]
    return Step("enough data?", "; ".join((*known, *case.doubts)))


def _sample(latency: Latency | None) -> str:
    if latency is None:
        return "unknown"
    size = f", n = {latency.n:,}" if latency.n else ""
    return f"{latency.basis.replace('_', ' ')}{size}"


def residency(case: Case) -> Step:
    """May the data leave?"""
    return _need_step(case, "may the data leave?", ("residency",), "no residency is required")


def offline(case: Case) -> Step:
    """Must it work without a network?"""
    return _need_step(case, "must it work offline?", ("offline",), "offline operation is not required")


def deadline(case: Case) -> Step:
    """Is there a hard deadline at a quantile?"""
    names = tuple(deadline_name(p, limit) for p, limit in case.needs.deadline)
    return _need_step(case, "hard deadline?", names, "no deadline is required")


def bottleneck(case: Case) -> Step:
    """Is the network what people wait for?"""
    saved, seen, before = case.books.saved, case.books.noticed, case.books.before
    if saved is None or seen is None or before is None:
        return Step("is the network the bottleneck?", case.books.candidate.unknown_latency or "latency unknown")
    part = saved.p50 / before.quantile(0.5) if before.quantile(0.5) else 0.0
    verb = "saves" if saved.p50 >= 0 else "adds"
    said = f"{verb} {abs(saved.p50):,.0f} of {before.quantile(0.5):,.0f} ms at p50 ({abs(part):.0%}), felt from {seen.felt_from_ms:,.0f} ms"
    said += _network_words(case)
    one_rtt = case.gain.one_rtt
    lines = [f"one round-trip time for all users of {one_rtt}: say where they are (users_in)"] if one_rtt else []
    lines += regions.details_of(case.gain.regions, case.candidate)
    lines += remedies.details_of(case.gain.remedies)
    return Step("is the network the bottleneck?", said, details=tuple(lines))


def _network_words(case: Case) -> str:
    """The network's share of the whole answer and of its first token, and how fast the judged one could be without it."""
    shares = remedies.network_shares(case.books.baseline)
    told = [f"{share(ratio)} of {what}" for what, ratio in (("e2e", shares.e2e), ("TTFT", shares.ttft)) if ratio is not None]
    judged = shares.ttft if case.books.stakes.judge == "ttft" else shares.e2e
    if judged is None:
        return "; the network's part is not known: its rtt, or users_in"
    fastest = remedies.max_speedup(judged)
    return f"; the network is {' and '.join(told)} at p50, without it {fastest:.3g} times as fast at most"


def origin_calls(case: Case) -> Step:
    """Does the edge call back to a central store?"""
    calls, question = case.books.candidate.origin_calls, "origin calls on the path?"
    if calls and not calls.count.high:
        return Step(question, "none")
    if calls:
        said = f"{calls.count.likely:g} of {calls.rtt.likely:g} ms each, already in the candidate's latency"
        return Step(question, said + _left_words(case, calls.count.likely * calls.rtt.likely))
    unasked = "not stated: each call back to a central store costs the edge a round trip" if case.books.candidate.at_edge else "not an edge"
    return Step(question, unasked)


def _left_words(case: Case, back_ms: float) -> str:
    """What the calls leave of the network that the edge takes off."""
    left = network_saved_ms(case.books, case.books.candidate)
    if left is None:
        return ""
    off = f"; the edge takes {milliseconds(left + back_ms)} ms off the network and the calls put {milliseconds(back_ms)} ms back"
    return f"{off}: {milliseconds(left)} ms are left" if left > 0 else f"{off}: nothing is left unless the state moves too"


def model_fit(case: Case) -> Step:
    """Is the candidate's model good enough?"""
    question, before, after = "does an acceptable model fit?", case.books.baseline.quality, case.books.candidate.quality
    step = _need_step(case, question, ("quality",), "")
    if step.verdict:
        return step
    parts = tuple(attribution.details_of(case.gain.attribution)) if case.gain.attribution else ()
    if before is None or after is None:
        return Step(question, step.evidence or "quality is not stated", details=parts)
    said = f"quality {after.likely:g} against {before.likely:g}"
    if after.likely < before.likely - QUALITY_TOLERANCE and case.books.stakes.quality_usd is None:
        return Step(question, said, "undecided", f"{said}, and nobody says what quality is worth (quality_value)", parts)
    return Step(question, said, details=parts)


def utilisation(case: Case) -> Step:
    """Do the servers that are paid for have something to do, and do requests wait for them?"""
    question, option = "utilisation?", case.books.candidate
    found = None if case.missing_price or case.volume_unknown else utilisation_of(case.books, option)
    if case.missing_price:
        return Step(question, "no price")
    if option.overload:
        return Step(question, option.overload, "impossible", option.overload)
    if found is None:
        lines = [line.item for line in case.books.cost_of(option).lines if line.kind == "capacity"]
        shared = "a shared pool's servers and load are unknown" if option.at_edge else "paid by use"
        return Step(question, "; ".join(lines) or f"not applicable: {shared}")
    beside = utilisation_of(case.books, case.books.baseline)
    own = [f"{case.baseline}: {busy_words(beside)}"] if beside else []
    return Step(question, busy_words(found), details=(*busy_details(option.name, found), *own))


def money(case: Case) -> Step:
    """What it costs more against what it is worth."""
    question = "money?"
    if case.missing_price or case.volume_unknown:
        return Step(question, "not known")
    verdict, reason = _judge_money(case)
    likely = case.books.likely
    value = dollars(likely.value) if has_value(case) else "none declared"
    said = f"premium {signed(likely.premium)}, value {value}, net {signed(likely.net)} a month"
    return Step(question, said, verdict, reason)


def has_value(case: Case) -> bool:
    """Whether somebody said what latency or quality is worth."""
    model = case.books.stakes.value
    return not (model is None or isinstance(model, NoValue)) or case.books.stakes.quality_usd is not None


def _judge_money(case: Case) -> tuple[Verdict, str]:
    if not has_value(case):
        return _without_value(case)
    if case.books.saved is None:
        return "undecided", case.books.candidate.unknown_latency or case.books.baseline.unknown_latency or "latency unknown"
    if case.doubts:
        return "undecided", case.doubts[0]
    p = _p_worth_it(case)
    if p <= case.limits.fail_at:
        return "not_worth_it", _loses(case)
    if p < case.limits.edge_from:
        return "undecided", _spanning(case)
    return _in_favour(case, f"net is {net_words(case.books)}")


def _p_worth_it(case: Case) -> float:
    """P(worth it), 0 or 1 where net is one number."""
    drawn = case.books.p_worth_it
    return float(case.books.likely.net >= 0) if drawn is None else drawn


def net_words(books: Books) -> str:
    """``+$683.00 a month``, with the probability that it is worth it where net is drawn."""
    sure = sure_words(books)
    return f"{signed(books.likely.net)} a month{f', {sure}' if sure else ''}"


def sure_words(books: Books) -> str:
    """P(worth it) where net is drawn; of a best case the most it can be."""
    return "" if books.p_worth_it is None else p_words(books.p_worth_it, at_best=books.candidate.best_case)


def p_words(p: float, *, at_best: bool = False) -> str:
    """``P(worth it) 61 %``, of a best case ``at most 61 %``; nothing where that bounds nothing, for a hope makes nothing likely."""
    if at_best and p > 0.99:
        return ""
    return f"P(worth it) {'at most ' if at_best and p >= 0.01 else ''}{probability_words(p)}"


def probability_words(p: float) -> str:
    """``61 %``; never certain, as no number of draws is."""
    return "< 1 %" if p < 0.01 else "> 99 %" if p > 0.99 else f"{100 * p:.0f} %"


def _without_value(case: Case) -> tuple[Verdict, str]:
    premium = case.books.likely.premium
    if premium > 0:
        return "no_reason_given", f"costs {dollars(premium)} a month more and {_unvalued(case)}"
    if case.books.saved is None:
        return "undecided", case.books.candidate.unknown_latency or case.books.baseline.unknown_latency or "latency unknown"
    if case.books.slower:
        return "undecided", "cheaper and slower: state what waiting is worth"
    if _p_worth_it(case) < case.limits.edge_from:
        return "undecided", _spanning(case)
    return _in_favour(case, f"{dollars(-premium)} a month cheaper and not slower" if premium else "costs as much and is not slower")


def _unvalued(case: Case) -> str:
    model = case.books.stakes.value
    return f"gains nobody anything: {model.why}" if model and model.why else "nobody says what it is worth"


def _in_favour(case: Case, why: str) -> tuple[Verdict, str]:
    """WORTH IT where the candidate's latency is known; else what to find out."""
    if case.doubts:
        return "undecided", case.doubts[0]
    candidate = case.books.candidate
    if not candidate.answered_for:
        return "undecided", f"{_hope(case)}, probe {candidate.name}"
    assumed = candidate.assume
    return "worth_it", why if candidate.measured or not assumed else f"{why}, assumed by {assumed.by}: {assumed.why}"


def _hope(case: Case) -> str:
    """What a candidate that nobody measured wins by."""
    if case.books.candidate.best_case:
        return "best case wins"
    return "wins by an aggregate without its requests" if _is_aggregate(case) else "wins with a stated latency"


def _is_aggregate(case: Case) -> bool:
    """Whether a tool states the candidate's quantiles: real requests, but none of them is there to tell how sure it is."""
    return case.books.after is not None and case.books.after.basis == "aggregate"


def _loses(case: Case) -> str:
    saves = case.books.saved is not None and case.books.saved.p50 >= 0
    even = "even the best case loses" if case.books.candidate.best_case else "loses"
    at_best = " at best" if case.books.candidate.best_case and case.books.prospect is None else ""
    return f"{even}: net {net_words(case.books)}{at_best}" + (f", the saving is {_felt_words(case)}" if _unfelt(case) and saves else "")


def _spanning(case: Case) -> str:
    """The driver that is worth most to know."""
    deciding = case.books.deciding
    sure = sure_words(case.books)
    return f"{deciding.driver.name if deciding else 'no single number'} decides{f', {sure}' if sure else ''}"


def settling(case: Case) -> str:
    """What would settle an open question, and what that is worth; nothing to say where net is one number."""
    books, limits = case.books, case.limits
    if books.prospect is None or books.deciding is None:
        return ""
    said = [f"knowing everything is worth {dollars(books.prospect.evpi)} a month"]
    driver = books.deciding.driver
    if books.prospect.evpi and len(books.bars) > 1:
        said.append(f"knowing {driver.name} alone {dollars(books.worth_knowing(driver))}")
    more = books.requests_to_settle(limits.edge_from, limits.fail_at)
    if more and limits.fail_at < (books.p_worth_it or 0.0) < limits.edge_from:
        said.append(f"about {more:,} more requests would settle it")
    return ", ".join(said)


def operations(case: Case) -> Step:
    """Who runs it?"""
    question, tariff = "operations labour?", case.books.candidate.tariff
    if tariff and tariff.hours:
        return Step(
            question,
            f"{tariff.hours.likely:g} h a month, in the premium" if tariff.usd_hour else "hours stated without a rate: not in the premium",
        )
    if not case.books.candidate.at_edge:
        return Step(question, "not stated")
    return Step(question, f"not stated: another platform to run costs people's time{_spare_words(case)}")


def _spare_words(case: Case) -> str:
    """How much of people's time the net would pay for."""
    if case.missing_price or case.volume_unknown or not has_value(case):
        return ""
    net = case.books.likely.net
    return f"; the net pays for {dollars(net)} of it a month" if net > 0 else "; the net pays for none"


def probability(case: Case) -> Step:
    """How sure is it?"""
    if case.missing_price or case.volume_unknown:
        return Step("how sure?", "not known")
    books = case.books
    bars = books.bars[:3]
    if not bars:
        return Step("how sure?", "nothing that was stated as a range or sampled moves net")
    widest = ", ".join(f"{bar.driver.name} {signed(bar.low_net)}..{signed(bar.high_net)}" for bar in bars)
    return Step("how sure?", "; ".join(part for part in (f"net {net_words(books)}", widest, settling(case)) if part))


QUESTIONS: tuple[Question, ...] = (
    enough_data,
    residency,
    offline,
    deadline,
    bottleneck,
    origin_calls,
    model_fit,
    utilisation,
    money,
    operations,
    probability,
)


# ---- what would flip it ----------------------------------------------------------------------------------------------------


def flips_if(decision: Decision) -> str | None:
    """What would have to be true for the verdict to turn, shortly; ``None`` where nothing that is known would turn it."""
    if decision.verdict == "undecided" and (decision.case.missing_price or decision.case.volume_unknown):
        return None
    if decision.verdict == "impossible" and decision.books.candidate.overload:
        return "more servers"
    if decision.verdict in ("required", "impossible"):
        return _requirement_flip(decision.case)
    points = decision.books.break_even
    ways = [way for way in (_worth_flip(decision.case, points), _price_flip(decision)) if way]
    ways = ways or list(_volume_flip(decision.books))
    return ", or ".join(ways) or _driver_flip(decision.books)


def _volume_flip(books: Books) -> tuple[str, ...]:
    """The volume at which servers of one's own turn from a loss into a gain, or back."""
    if not books.candidate.queued:
        return ()
    turn, likely = books.break_even["requests_month"], books.stakes.traffic.requests.likely
    if turn is None:
        return ()
    return (f"requests {'<' if turn < likely else '>'} {turn / 1e6:,.3g} M a month",)


def _driver_flip(books: Books) -> str | None:
    """The break-even of the driver that decides, where the value model has no terms of its own."""
    turn = books.turn_of(books.deciding) if books.deciding else None
    if books.deciding is None or turn is None:
        return None
    return f"{books.deciding.driver.name} {'<' if turn < books.deciding.driver.likely else '>'} {turn:,.3g}"


def _requirement_flip(case: Case) -> str:
    """By how much the nearest quantile would have to change."""
    found = []
    for p, limit in case.needs.deadline:
        latency = case.books.latency_of(case.books.candidate)
        if latency is not None:
            spare = limit.likely - latency.quantile(p)
            found.append(f"{case.candidate} {'slower' if spare >= 0 else 'faster'} by {abs(spare):,.0f} ms")
    return ", or ".join(found) or "the requirement goes"


def _worth_flip(case: Case, points: Mapping[str, float | None]) -> str:
    model = case.books.stakes.value
    if isinstance(model, Deadline) and points.get("usd_per_miss"):
        return f"a miss {_rate_side(case)} {dollars(points['usd_per_miss'])}"
    if isinstance(model, Elasticity) and points.get("margin_usd_per_request"):
        return f"margin {_rate_side(case)} {dollars(points['margin_usd_per_request'])} a request"
    if isinstance(model, LinearTime):
        return ", or ".join(_waiting_flips(case, points))
    each = points["usd_per_1k_requests"]
    return f"worth > {dollars(each)} per 1,000" if each is not None and not has_value(case) else ""


def _waiting_flips(case: Case, points: Mapping[str, float | None]) -> list[str]:
    ways, saved, hour = [], points["saved_ms"], points["waiting_usd_per_hour"]
    if saved is not None:
        ways.append(
            f"saves {_side(case)} {milliseconds(saved)} ms" if saved >= 0 else f"adds {_other_side(case)} {milliseconds(-saved)} ms"
        )
    if hour is not None:
        ways.append(f"an hour of waiting {_side(case)} {dollars(hour)}" + (", unfelt waits counted" if _unfelt(case) else ""))
    return ways


def _felt_words(case: Case) -> str:
    """``not felt``, or in which share of requests it is: the slow ones may gain what the median does not."""
    some = case.books.noticed.share if case.books.noticed else 0.0
    return "not felt" if some < 0.005 else f"felt in {some:.0%} of requests only"


def _unfelt(case: Case) -> bool:
    """Whether people are asked to pay for a saving that they do not notice."""
    seen, stakes = case.books.noticed, case.books.stakes
    return seen is not None and not seen.at_p50 and stakes.felt is not None and isinstance(stakes.value, LinearTime)


def _side(case: Case) -> str:
    return "<" if case.books.likely.net > 0 else ">"


def _rate_side(case: Case) -> str:
    """On which side of its break-even a rate turns the verdict: the more a miss costs, the worse for what misses more."""
    return _side(case) if case.books.latency_worth >= 0 else _other_side(case)


def _other_side(case: Case) -> str:
    return ">" if case.books.likely.net > 0 else "<"


def _price_flip(decision: Decision) -> str:
    ratio = decision.books.break_even["price_ratio"]
    if ratio is None or decision.verdict == "no_reason_given":
        return ""
    return f"{decision.case.candidate} costs {ratio:,.3g} times as much" if ratio > 1 and decision.verdict == "worth_it" else ""


def sentence(decision: Decision) -> str:
    """The break-even in one sentence that a product manager can repeat."""
    case, books = decision.case, decision.books
    if case.volume_unknown or case.missing_price:
        return f"{case.workload}: no answer yet, {decision.reason}."
    premium = books.likely.premium
    differs = f"costs {dollars(abs(premium))} a month {'more' if premium > 0 else 'less'} than {case.baseline}"
    more = differs if abs(premium) >= 5e-7 else f"costs as much as {case.baseline}"
    return f"{case.workload}: {case.candidate} {more}{_saving_words(case)}; {_condition(decision)}."


def _saving_words(case: Case) -> str:
    books = case.books
    if books.saved is None or books.before is None:
        return " (its latency is not known)" if has_value(case) else ""
    at_best = " at best" if books.candidate.best_case else ""
    kind = "saves" if books.saved.p50 >= 0 else "adds"
    what = "to the first token" if books.stakes.judge == "ttft" else "of a request"
    said = f" and {kind}{at_best} {abs(books.saved.p50):,.0f} of {books.before.quantile(0.5):,.0f} ms {what}"
    unfelt = _unfelt(case) and books.noticed is not None and books.saved.p50 >= 0
    return said + (f", which nobody feels below {books.noticed.felt_from_ms:,.0f} ms" if unfelt and books.noticed else "")


def _condition(decision: Decision) -> str:
    case, books, points = decision.case, decision.books, decision.books.break_even
    if decision.verdict in ("required", "impossible"):
        return decision.reason
    if books.likely.premium <= 0:
        return _condition_of_cheaper(books, points["saved_ms"])
    ways = [*_own_terms(case, points)]
    if points["usd_per_1k_requests"] is not None:
        ways.append(f"a thousand requests are worth {dollars(points['usd_per_1k_requests'])} more this way")
    pays = "it pays as long as " if has_value(case) and books.likely.net > 0 else "it pays only if "
    return pays + ", that is if ".join(ways) if ways else decision.reason


def _condition_of_cheaper(books: Books, saved_ms: float | None) -> str:
    if saved_ms is not None and saved_ms < 0:
        return f"it pays {_when(books)} it is not slower than {books.baseline.name} by more than {milliseconds(-saved_ms)} ms"
    if books.quality_worth < 0:
        each = -books.likely.premium / books.stakes.traffic.requests.likely * 1000
        return f"it pays {_when(books)} its answers are not worth {dollars(each)} less a thousand requests"
    if books.slower:
        return "it pays if the wait it adds costs less than that" if books.likely.premium < -5e-7 else "it pays only if it is not slower"
    return "it needs no reason for its price"


def _when(books: Books) -> str:
    return "as long as" if books.likely.net >= 0 else "only if"


def _own_terms(case: Case, points: Mapping[str, float | None]) -> Iterator[str]:
    """The break-even in the terms of the value model; in those of waiting where none is declared."""
    model = case.books.stakes.value
    gains = case.books.latency_worth > 0
    if isinstance(model, Deadline):
        if gains and points.get("usd_per_miss") is not None:
            yield f"a miss costs more than {dollars(points['usd_per_miss'])}"
    elif isinstance(model, Elasticity):
        if gains and points.get("margin_usd_per_request") is not None:
            yield f"the margin of a request is more than {dollars(points['margin_usd_per_request'])}"
    elif points["waiting_usd_per_hour"] is not None:
        yield f"an hour of waiting is worth more than {dollars(points['waiting_usd_per_hour'])}"
