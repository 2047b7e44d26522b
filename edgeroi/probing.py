"""From a plan to a run that was recorded: self-test, schedule, probe, log, differences, and whether to trust it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgeroi import __version__
from edgeroi.cost import Load, cost_lines, total
from edgeroi.doors import asked_of, endpoint_of
from edgeroi.errors import EdgeroiError
from edgeroi.exchange import Exchange
from edgeroi.hybrid import kind_of
from edgeroi.option import EDGE
from edgeroi.pairs import Difference, by_block, difference
from edgeroi.prediction import predicted
from edgeroi.prices import Price
from edgeroi.probe_plan import ProbePlan, Target
from edgeroi.probe_report import added_document
from edgeroi.probe_run import PolicyRun, ProbeRun, TargetRun
from edgeroi.prober import RUN_UP, Conduct, Prober
from edgeroi.recording import Recording
from edgeroi.report import Report
from edgeroi.schedule import NS_PER_S, Send, block_times, cold_sends, interleaved
from edgeroi.selftest import self_test
from edgeroi.spec import PriceRef
from edgeroi.trust import SelfTest, rates_of, reasons_of

#: The self-test before a run: half a second of it.
_SELFTEST_REQUESTS, _SELFTEST_RATE = 100, 200.0
#: Of a payload of text, so many characters are at least one token; for the most a request can cost.
_CHARACTERS_PER_TOKEN = 1

#: Free allowances may be used up already, and fees are paid with or without the probe.
_NOT_PER_REQUEST = ("allowance", "fixed", "operations", "commitment")

Say = Callable[[str], None]


class Watch(Protocol):
    """Somebody who looks on; told on the thread that sends nothing."""

    def heard(self, exchange: Exchange) -> None:
        """One exchange that ended."""
        ...

    def tick(self, sent: Mapping[str, int]) -> None:
        """How many requests were sent, by target; a few times a second."""
        ...


#: Who looks on while a plan is probed, if anybody does.
Watching = Callable[[ProbePlan], AbstractContextManager[Watch | None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may not exceed: requests in all, USD in all."""

    requests: int | None = None
    usd: Decimal | None = None


def run_probe(plan: ProbePlan, log: Path, *, append: bool, limits: Limits, seed: int, say: Say, watching: Watching) -> ProbeRun:
    """Probe, and write the log as it goes. Ctrl-C ends the run early; what was measured is in the log and in the result."""
    plan = plan.told_apart
    rng = np.random.default_rng(seed)
    sends = _sends(plan, limits, rng)
    each_usd = tuple(_most_asked(target, plan) for target in plan.targets) if limits.usd is not None else ()
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    with Recording(log, run, append=append, secrets=plan.secrets) as recording:
        say(f"self-test: {_SELFTEST_REQUESTS} requests to a server on loopback")
        added = self_test(_SELFTEST_REQUESTS, _SELFTEST_RATE, seed)
        prober = Prober(plan, max_usd=limits.usd, each_usd=each_usd, seed=seed)
        recording.run_record(**_described(plan, added, sends, seed))
        steady = [send for send in sends if send.phase != "cold"]
        names = ", ".join(target.name for target in plan.targets)
        if steady:
            say(f"{len(steady):,} requests to {names} over {steady[-1].at_ns / 1e9:,.0f} s{_kind_words(plan)}")
        if len(sends) > len(steady):
            gap_s, until_s = (plan.cold_gap_ms or 0.0) / 1e3, sends[-1].at_ns / 1e9
            say(f"then {len(sends) - len(steady):,} cold starts, each after {gap_s:,.0f} s of silence, until {until_s:,.0f} s")
        exchanges: list[Exchange] = []
        start = datetime.now(UTC) + RUN_UP

        def heard(exchange: Exchange) -> None:
            exchanges.append(exchange)
            recording.exchange(exchange, start)
            if watch is not None:
                watch.heard(exchange)

        with watching(plan) as watch:
            conduct = prober.run(sends, heard, watch.tick if watch is not None else None)
        found = _found(plan, exchanges, conduct, sends, added, str(log), seed)
        recording.run_record(
            ended=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            trusted=found.trusted,
            reasons=list(found.reasons),
            interrupted=conduct.interrupted,
        )
    return found


def _sends(plan: ProbePlan, limits: Limits, rng: np.random.Generator) -> tuple[Send, ...]:
    blocks = plan.requests + plan.warm_up
    times = np.asarray(plan.replay_ns, np.int64) if plan.replay_ns else block_times(blocks, plan.rate, plan.arrivals, rng)
    sends = interleaved(times, len(plan.targets), len(plan.payloads), plan.warm_up, rng)
    if plan.cold_gap_ms is not None:
        endpoints = [number for number, target in enumerate(plan.targets) if target.policy is None and not _is_second(target, plan)]
        apart_ns = int(NS_PER_S / plan.rate / len(endpoints))
        sends += cold_sends(sends, endpoints, int(plan.cold_gap_ms * 1e6), plan.cold_requests, apart_ns, len(plan.payloads))
    return sends[: limits.requests]


def _is_second(target: Target, plan: ProbePlan) -> bool:
    """Whether it is an endpoint once more, over new connections: a cold start has one in any case."""
    return plan.connections == "both" and target.fresh


def _kind_words(plan: ProbePlan) -> str:
    return ", in a closed loop: blind to queueing" if plan.mode == "closed" else ""


def _described(plan: ProbePlan, added: SelfTest, sends: Sequence[Send], seed: int) -> dict[str, Any]:
    """What the first line of the log says: who measured, from where, how, and how well. No URL's path, no header."""
    return {
        "edgeroi_version": __version__,
        "name": plan.name,
        "vantage": plan.vantage,
        "mode": plan.mode,
        "arrivals": plan.arrivals,
        "rate": plan.rate,
        "requests": len(sends),
        "warm_up": plan.warm_up,
        "timeout_ms": plan.timeout_ms,
        "connections": plan.connections,
        "cold_gap_ms": plan.cold_gap_ms,
        "cold_requests": plan.cold_requests if plan.cold_gap_ms is not None else 0,
        "max_in_flight": plan.in_flight,
        "seed": seed,
        "targets": [
            {
                "name": t.name,
                "origin": endpoint_of(t, plan).origin,
                "dialect": t.dialect,
                "placement": t.placement,
                "model": t.model,
                "stream": t.stream,
            }
            for t in plan.endpoints
        ],
        "policies": [{"name": name, "kind": kind_of(policy), "parts": policy.parts} for name, policy in plan.policies.items()],
        "selftest": added_document(added),
    }


def _found(
    plan: ProbePlan, exchanges: Sequence[Exchange], conduct: Conduct, sends: Sequence[Send], added: SelfTest, log: str, seed: int
) -> ProbeRun:
    runs = []
    for number, target in enumerate(plan.targets):
        mine = [exchange for exchange in exchanges if exchange.target == target.name]
        steady = tuple(exchange for exchange in mine if exchange.steady)
        due = [send.at_ns for send in sends if send.target == number and send.phase == "steady"]
        rates = rates_of(steady, len(due), max(due) - min(due) if due else 0)
        warm, cold = (tuple(exchange for exchange in mine if getattr(exchange, kind)) for kind in ("warm", "cold"))
        runs.append(TargetRun(target, steady, warm, rates, conduct.paused[target.name], conduct.unpaid[target.name], cold))
    closed = plan.mode == "closed"
    reasons = [reason for each in runs for reason in reasons_of(each.target.name, each.steady, each.rates, closed=closed)]
    if conduct.capped:
        capped = f"{conduct.capped:,} of {len(sends):,} were due when max_in_flight ({plan.in_flight}) were out"
        reasons.append(f"{capped}: raise it, or lower the rate")
    if conduct.interrupted:
        reasons.append(f"interrupted after {len(exchanges):,} of {len(sends):,} requests")
    differences, policies = _differences(plan, exchanges), _policies(plan, runs)
    return ProbeRun(plan, tuple(runs), differences, tuple(reasons), added, log, seed, conduct.interrupted, policies)


def _policies(plan: ProbePlan, runs: Sequence[TargetRun]) -> tuple[PolicyRun, ...]:
    """Every policy beside what its parts of the same run make expect."""
    steady = {each.target.name: each.steady for each in runs}
    targets = {target.name: target for target in plan.targets}
    return tuple(
        PolicyRun(
            each,
            predicted(each.target.name, plan, steady),
            {leaf: _mean_usd(targets[leaf], steady[leaf]) for leaf in dict.fromkeys(plan.asked_by(each.target.name))},
        )
        for each in runs
        if each.target.policy is not None
    )


def _mean_usd(target: Target, exchanges: Sequence[Exchange]) -> float | None:
    """What one call costs at the mean tokens of the answers; ``None`` where it has no price or the answers tell no tokens."""
    told = [e.answer for e in exchanges if e.error is None and e.answer.input_tokens is not None]
    if target.price is None or not told:
        return None
    asked, given = (Decimal(sum(getattr(answer, name) or 0 for answer in told)) / len(told) for name in ("input_tokens", "output_tokens"))
    return float(_usd_of(_price_of(target.price), Load(Decimal(1), asked, given)))


def _differences(plan: ProbePlan, exchanges: Sequence[Exchange]) -> tuple[tuple[str, Difference], ...]:
    """Each target at the edge, and each policy, less the first that is not at the edge: end to end, and to the first token."""
    kept = [target for target in plan.targets if not target.fresh]
    fresh = [target for target in plan.targets if target.fresh]
    pairs = [pair for alike in (kept, fresh) for pair in _held_against(alike)]
    if plan.connections == "new":  # a policy stands beside the endpoints whatever connections those have
        pairs = list(_held_against(list(plan.targets)))
    told = []
    for one, two in pairs:
        for measure in ("latency_ms", "ttft_ms"):
            found = difference(by_block(exchanges, one, measure), by_block(exchanges, two, measure), (one, two))
            if found is not None:
                told.append((measure, found))
    return tuple(told)


def _held_against(targets: Sequence[Target]) -> Iterator[tuple[str, str]]:
    """Which targets of one kind of connection are held against which."""
    others = [target for target in targets if target.policy is None and target.placement not in EDGE]
    edges = [target for target in targets if target.placement in EDGE]
    for target in (*(edges or others[1:]), *(target for target in targets if target.policy is not None)):
        if others:
            yield target.name, others[0].name


def profiled(log: Path) -> Report:
    """What ``profile`` says of the log."""
    from edgeroi.engines.local import read_logs
    from edgeroi.logs.reading import reading
    from edgeroi.profile_report import profile_report

    return profile_report(read_logs([log], reading(by=("workload", "placement", "variant"))), version=__version__, saving_ms=50.0)


def _most_asked(target: Target, plan: ProbePlan) -> Decimal:
    """The most that one request to an endpoint can cost, or to a policy that asks every part it has."""
    targets = {each.name: each for each in plan.targets}
    return sum((_most_usd(targets[leaf], plan) for leaf in plan.asked_by(target.name)), Decimal(0))


def _most_usd(target: Target, plan: ProbePlan) -> Decimal:
    """The most that one request to a target can cost; raises ``EdgeroiError`` where nothing bounds it."""
    from edgeroi.dialects.dialect import dialect

    key = f"targets.{target.name}"
    if target.price is None:
        raise EdgeroiError("--max-spend needs a price", place=target.place, key=key, fix="write price: provider/model")
    price = _price_of(target.price)
    most = Decimal(0)
    for payload in plan.payloads:
        asked = asked_of(target, payload)
        whole = {**(payload if isinstance(payload, dict) else {}), **target.extra}
        output = dialect(target.dialect).most_output_tokens(whole)
        if output is None:
            raise EdgeroiError(
                "--max-spend needs a limit of output tokens", place=target.place, key=key, fix="write with: {max_tokens: 256}"
            )
        load = Load(Decimal(1), Decimal(len(asked.body) // _CHARACTERS_PER_TOKEN), Decimal(output))
        most = max(most, _usd_of(price, load))
    return most


def _price_of(reference: PriceRef) -> Price:
    from edgeroi.clock import today
    from edgeroi.judging import book_of

    return book_of(reference.ref).find(reference.ref, today(), reference.context, place=reference.place)


def _usd_of(price: Price, load: Load) -> Decimal:
    """What the requests themselves cost: no fee, and no allowance that may be used up."""
    return total(line for line in cost_lines(price, load) if line.kind not in _NOT_PER_REQUEST)
