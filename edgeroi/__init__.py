"""Profiles AI-inference workloads and calculates whether running them at the edge pays.

Request logs become a profile (measured latency with its interval), a profile and a dated price become options, options and a stated
value of time become a verdict, and verdicts become a gate. Measuring, judging and presenting are three steps joined by values.

A line of this map imports only lines below it; the core knows no file, network, clock, terminal, YAML or environment::

    SHELL   cli/ · pytest_plugin                        one file per command: parse, call, render, exit · scenarios as tests
            interview                                   the three questions only people can answer
            draft · probing · replaying · demonstration   a scenario drafted · a plan run · a policy over a log · what demo shows
            spending                                    logs become spend
            experimenting                               logs -> arms -> a judged experiment
            judging · linting · deployment              scenarios -> verdicts -> gate · files -> findings · configurations -> edge uses
            casefile                                    what a scenario refers to: logs read, prices and round trips looked up
            elsewhere · matching                        what there is besides the two options: the book, regions, signs in a log
            mapping_lint                                what is odd in a mapping
            lint · probefile · policyfile · selftest    what is odd in a scenario · probes, policies read strictly · what a probe adds
            scenario/ · renderers/ · engines/           YAML read strictly · table, JSON, Markdown, SARIF, pages, ... · where chunks run
            logs/ · pricebooks/ · prober · recording    log formats · price sources · requests sent on time · the log of a probe
            doors                                       how a request reaches a target: by a wire, or by a policy over several
            wire                                        one request on a real connection, every phase stamped
            dialects/                                   wire formats of inference endpoints
            yamltree · clock · loopback · memory        YAML that knows its lines · the day · a server that keeps time · what is freed
            executor                                    policies run for real, over calls of any kind
            async_executor                              the same over coroutines
            underway                                    a request while it is served: what was begun, what is given up
    CORE    exposition                                  spend as Prometheus metrics
            spend_report                                what spend says
            reconciliation                              a bill beside what the logs imply
            budget                                      budget, edge share, growth, and what a share does not show
            comment_report                              what a check says in a pull request
            loosening                                   where a project's policy allows more than it did
            verdict_figures                             what a page shows of a workload: what moves, and its pictures
            what_if                                     numbers that may be moved, and what becomes of the answer
            price_report · profile_report · verdict_report · probe_report   what prices, profile, compare and check, probe say
            route_report                                what route says
            ab_report · plan_report                     what ab and ab-plan say
            prospect_report · distributions             the tornado, the S-curve, what is worth knowing · latencies as figures
            evidence_report · since_report              the figures behind the questions · what changed, in words
            gateways                                    a policy as the configuration of a gateway
            report                                      sections, tables of typed cells, figures, notes, the JSON document
            difference                                  what changed between two checks
            annotation                                  findings as other programs show them beside a file
            gate                                        rules beside their limits, waivers
            verdict                                     the questions in their order, the evidence, the first that decides
            gain                                        where it comes from, and what speaks against it
            sample_sizes                                how many requests and days an experiment takes
            experiment                                  an experiment judged: guards, effects, decision
            attribution · remedies · symptoms           model or place · cheaper fixes · signs of trouble in a log
            guesses                                     what a log suggests and does not say
            regions                                     the users' regions one by one
            utilisation                                 servers in the books: how busy, inverted or not, what idles
            assembly                                    policies put together, each part as it serves its own requests
            tuning                                      the best setting of a policy, with its curve
            economics                                   premium, value, net, their prospect, break-evens
            probe_run                                   a run of a probe: its answers, what was expected of them, whether to trust it
            prediction                                  what a policy should take, by its parts as a probe measured them
            sweeping                                    what both options made of the requests whose threshold is moved
            replay                                      a policy over the requests of a log, one by one or by their mix
            calibration                                 the best threshold of a router, and what its confidence is worth
            hybrid                                      an option that is a policy over others, asked like any option
            option                                      one way to serve: timing, tariff, traffic
            probe_plan                                  what a probe is to do
            servers                                     paid for busy or not: the load hour by hour, and the wait for one
            ensemble · sampling                         a latency in many worlds at once · what samples leave unknown
            steering                                    what a policy decides of one request, and the record of it
            asked                                       rows of a log as requests, with the sides of a pair
            spec                                        what a scenario states
            values/                                     what latency is worth
            felt                                        what a person notices
            policy                                      split, route, fallback, hedge, cascade as algebra on distributions
            guards                                      whether arms were filled as meant, with like requests, at once
            arms                                        an arm's requests or counts, and its sample of every number
            latency                                     distributions of ms and their algebra
            ledger                                      what requests cost day by day; what has no price is listed
            billing                                     an invoice's sum in many worlds at once
            cost                                        every dollar with its kind, quantity, rate and source
            prices                                      dated rates, the book
            usage                                       requests, tokens and logged money by offer and day
            census                                      requests counted into partial profiles
            workload                                    partial profiles that add up
            aggregate                                   ready quantiles of requests nobody lists
            trust · pairs                               whether a run was sent on time · differences pair by pair
            cuts                                        requests told apart by what a rule asks
            request · exchange · schedule               columns of one call, line accounting · one measured request · intended times
            effects                                     what one arm does against another: quantiles, shares, means
            histogram · geography                       latencies in buckets within 0.1 % · distances and the speed of light
            anytime                                     intervals that hold at every look
            draws · investment · forecast               drivers drawn by name · return, payback · what a month will come to
            stats · queueing                            order statistics, intervals · Erlang, M/M/c, where many small queues lose
            units · words                               quantities that carry their units · numbers as sentences write them
            estimate                                    a number with its interval, n, basis and notes
            shown                                       results that notebooks show and draw
            errors                                      what can go wrong, and how it ends
            compiled                                    the part in C, where it was built; numpy does the same

The Python API is what ``__all__`` names: functions, whose results are immutable, have ``to_frame()`` and ``plot()`` and show themselves in
a notebook, and the types they take and give, imported when they are asked for.
``edgeroi.executor`` runs the policies of a scenario in an application.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from edgeroi.ab_report import Experiment
    from edgeroi.histogram import LatencyHistogram
    from edgeroi.logs.reading import Reading
    from edgeroi.plan_report import ExperimentPlan
    from edgeroi.prices import PriceBook
    from edgeroi.probe_run import ProbeRun
    from edgeroi.route_report import Routes
    from edgeroi.spec import Scenario
    from edgeroi.spend_report import Spending
    from edgeroi.verdict_report import Verdicts
    from edgeroi.workload import Profile, SeenFrom

__all__ = [
    "Experiment",
    "ExperimentPlan",
    "LatencyHistogram",
    "PriceBook",
    "ProbeRun",
    "Profile",
    "Routes",
    "Scenario",
    "Spending",
    "Verdicts",
    "__version__",
    "ab",
    "ab_plan",
    "check",
    "compare",
    "load_prices",
    "load_scenario",
    "probe",
    "profile",
    "route",
    "spend",
]
__version__ = "0.2.0"

#: Where each public type is at home; ``import edgeroi`` imports none of them.
_HOMES = {
    "Experiment": "ab_report",
    "ExperimentPlan": "plan_report",
    "LatencyHistogram": "histogram",
    "PriceBook": "prices",
    "ProbeRun": "probe_run",
    "Profile": "workload",
    "Routes": "route_report",
    "Scenario": "spec",
    "Spending": "spend_report",
    "Verdicts": "verdict_report",
}


def __getattr__(name: str) -> Any:
    """A public type, imported when somebody asks for it."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"edgeroi.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names too that are not imported yet."""
    return sorted({*globals(), *__all__})


def profile(
    logs: str | Path | Sequence[str | Path] | pd.DataFrame,
    *,
    by: str | Sequence[str] = ("workload", "placement"),
    map: Mapping[str, str] | None = None,
    const: Mapping[str, str] | None = None,
    mapping: str | Path | None = None,
    not_error: str | Sequence[str] = (),
    require: str | Sequence[str] = (),
    log_format: str | None = None,
    seen_from: SeenFrom | None = None,
    sampling: float | None = None,
    jobs: int | None = None,
    dedupe: bool = False,
) -> Profile:
    """Request logs (files, folders, globs, ``-``, saved profiles) or a DataFrame as a profile; every line is accounted for.

    ``map``: column -> ``path[:unit]`` or ``@filename:REGEX``; ``const``: column -> value; ``mapping``: the same in a YAML file.
    ``dedupe``: count a request once that the logs tell of twice (a DataFrame has ``drop_duplicates`` for that).
    Raises ``edgeroi.errors.EdgeroiError`` for what is no log. Rejected lines and damage are in the result, not raised.
    """
    how = _reading(
        map,
        const,
        mapping,
        by=by,
        not_error=not_error,
        require=require,
        format=log_format,
        seen_from=seen_from,
        sampling=sampling,
        dedupe=dedupe,
    )
    if isinstance(logs, str | Path):
        logs = [logs]
    if isinstance(logs, Sequence):
        from edgeroi.engines.local import read_logs
        from edgeroi.errors import EdgeroiError

        named: Sequence[object] = logs
        if (other := next((log for log in named if not isinstance(log, str | Path)), None)) is not None:
            fix = "profile a DataFrame by itself, or several as one: pd.concat(frames)"
            raise EdgeroiError(f"a {type(other).__name__} is not the name of a log", key="logs", fix=fix)
        return read_logs(list(logs), how, jobs=jobs)
    from edgeroi.logs.frame import profile_frame

    return profile_frame(logs, how)


def spend(
    logs: str | Path | Sequence[str | Path] | pd.DataFrame,
    *,
    by: str | Sequence[str] = ("placement", "provider", "model", "workload"),
    budget_usd_month: float | None = None,
    max_edge_share: float | None = None,
    max_growth: float | None = None,
    scenario: str | Path | Sequence[str | Path] | None = None,
    prices: str | Path | Sequence[str | Path] = (),
    focus: str | Path | None = None,
    focus_services: Mapping[str, str] | None = None,
    tolerance: float = 0.02,
    map: Mapping[str, str] | None = None,
    const: Mapping[str, str] | None = None,
    mapping: str | Path | None = None,
    not_error: str | Sequence[str] = (),
    log_format: str | None = None,
    sampling: float | None = None,
    jobs: int | None = None,
    seed: int = 0,
) -> Spending:
    """What the requests of logs cost: ``.ledger``, ``.projection``, ``.edge``, ``.gate``; ``.to_frame()`` by offer and day.

    Shares are of 1. ``prices``: price files of yours. ``focus``: an export of the bill, ``focus_services`` whose provider in the logs
    a service on it is of. Reads as ``profile`` does; a saved profile no longer knows single requests, and is refused.
    """
    from edgeroi.budget import Limits
    from edgeroi.logs.focus import read_focus
    from edgeroi.spending import Asked, spend_frame, spend_logs

    how = _reading(map, const, mapping, not_error=not_error, format=log_format, sampling=sampling)
    asked = Asked(
        Limits(budget_usd_month, max_edge_share, max_growth),
        _names(by),
        tuple(Path(file) for file in ([prices] if isinstance(prices, str | Path) else prices)),
        read_focus(Path(focus)) if focus else (),
        {service: provider.casefold() for service, provider in (focus_services or {}).items()},
        tolerance,
        None if scenario is None else check(scenario),
        seed,
    )
    if isinstance(logs, str | Path):
        logs = [logs]
    return spend_logs(logs, how, asked, jobs=jobs) if isinstance(logs, Sequence) else spend_frame(logs, how, asked)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    """One name, or several: a text is one, not its letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def compare(
    scenarios: str | Path | Scenario | Sequence[str | Path | Scenario],
    *,
    set: Mapping[str, str] | None = None,
    prices_as_of: date | None = None,
    seed: int | None = None,
    draws: int | None = None,
) -> Verdicts:
    """Scenarios, or their files or folders, judged: ``.decisions`` with verdict, cost, latency and value, ``.document`` as JSON prints it.

    Net is drawn in ``draws`` worlds (10,000) from ``seed``: the same of both give the same answer.
    """
    return _judged("compare", scenarios, set, prices_as_of, seed, draws)


def check(
    scenarios: str | Path | Scenario | Sequence[str | Path | Scenario],
    *,
    set: Mapping[str, str] | None = None,
    prices_as_of: date | None = None,
    seed: int | None = None,
    draws: int | None = None,
) -> Verdicts:
    """The same held against the gate: ``.gate`` is ``pass``, ``fail`` or ``undecided``, with the rules in ``.scenarios[i].findings``.

    ``.failures`` is what keeps it from passing, a sentence each.
    """
    return _judged("check", scenarios, set, prices_as_of, seed, draws)


def route(
    logs: str | Path | Sequence[str | Path] | pd.DataFrame,
    policy: str | Path = "article",
    *,
    workload: str | None = None,
    only: str | None = None,
    sweep: str | None = None,
    goal: str | None = None,
    budget: float | None = None,
    quality_floor: float | None = None,
    seed: int = 1,
    map: Mapping[str, str] | None = None,
    const: Mapping[str, str] | None = None,
    mapping: str | Path | None = None,
    log_format: str | None = None,
    prices_as_of: date | None = None,
    jobs: int | None = None,
) -> Routes:
    """A policy replayed over logs or a DataFrame: ``.lines`` with options, policies and today, ``.curve`` and ``.chosen`` of a ``sweep``.

    ``policy``: a policy file (``only`` one of its policies), a scenario, or ``article``. ``goal``: ``max-net``, ``max-quality`` under a
    ``budget`` (USD a month), or ``min-cost`` over a ``quality_floor``; the threshold is chosen on one half of the requests, by ``seed``,
    and judged on the other.
    """
    from edgeroi.clock import today
    from edgeroi.replaying import routes, wanted
    from edgeroi.scenario import load_routes

    how = _reading(map, const, mapping, format=log_format)
    paths = [logs] if isinstance(logs, str | Path) else logs
    asked_for, file = wanted(sweep, goal, budget, quality_floor, seed), load_routes(policy, workload).only(only)
    return routes(paths, file, how, asked_for, workload=workload, today=today(), at=prices_as_of, jobs=jobs)


def ab(
    logs: str | Path | Sequence[str | Path] | pd.DataFrame,
    *,
    arm: str = "variant",
    unit: str | None = None,
    control: str | None = None,
    deadline_ms: float | None = None,
    margin: float | None = None,
    split: Mapping[str, float] | None = None,
    sequential: bool = False,
    map: Mapping[str, str] | None = None,
    const: Mapping[str, str] | None = None,
    mapping: str | Path | None = None,
    not_error: str | Sequence[str] = (),
    require: str | Sequence[str] = (),
    log_format: str | None = None,
    jobs: int | None = None,
) -> Experiment:
    """An experiment in logs or a DataFrame, judged: ``.is_valid``, ``.trials`` with effects and decision, ``.document`` as JSON prints it.

    ``arm``: the column that tells the arms apart; ``unit``: the one that tells what was drawn into them, such as ``user_id``.
    ``margin``: what quality may lose at most. ``split``: the share of units each arm was to get, equal unless given, ``{}`` if nobody drew.
    ``sequential``: intervals that hold at every look. Saved profiles, each an arm, are compared too; the first is the control.
    Raises ``edgeroi.errors.EdgeroiError`` for what is no log or no experiment.
    """
    from edgeroi.effects import Doubt
    from edgeroi.experiment import Design
    from edgeroi.experimenting import experiment_in

    how = _reading(map, const, mapping, not_error=not_error, require=require, format=log_format)
    design = Design(arm, unit, control, deadline_ms, margin, split, Doubt(sequential=sequential))
    return experiment_in([logs] if isinstance(logs, str | Path) else logs, how, design, jobs=jobs)[0]


def ab_plan(
    logs: str | Path | Sequence[str | Path] | pd.DataFrame,
    *,
    effect: float = -0.10,
    power: float = 0.80,
    unit: str | None = None,
    deadline_ms: float | None = None,
    margin: float | None = None,
    where: Mapping[str, str] | None = None,
    map: Mapping[str, str] | None = None,
    const: Mapping[str, str] | None = None,
    mapping: str | Path | None = None,
    not_error: str | Sequence[str] = (),
    require: str | Sequence[str] = (),
    log_format: str | None = None,
    jobs: int | None = None,
) -> ExperimentPlan:
    """What it takes to find a change of today's numbers: ``.size("p50").requests`` of each arm, ``.sizes``, ``.document``.

    ``effect`` is relative: -0.1 is a tenth less. ``where``: only the requests whose columns say so. Of a whole log, by workload.
    """
    from edgeroi.experimenting import plan_from
    from edgeroi.sample_sizes import Wanted

    how = _reading(map, const, mapping, not_error=not_error, require=require, format=log_format)
    wanted = Wanted(effect, power, deadline_ms=deadline_ms, margin=margin)
    return plan_from([logs] if isinstance(logs, str | Path) else logs, how, wanted, unit, where, jobs=jobs)[0]


def _reading(map: Mapping[str, str] | None, const: Mapping[str, str] | None, mapping: str | Path | None, **said: Any) -> Reading:
    """How logs are read, of the arguments by which the functions of the API say it; one name or several where names are wanted."""
    from edgeroi.logs.mapping import reading_of

    for option, given in (("map", map), ("const", const)):
        said[option] = tuple(f"{column}={source}" for column, source in (given or {}).items())
    for option in said.keys() & {"by", "not_error", "require"}:
        said[option] = _names(said[option])
    return reading_of(Path(mapping) if mapping else None, **said)


def _judged(
    command: str,
    scenarios: str | Path | Scenario | Sequence[str | Path | Scenario],
    set: Mapping[str, str] | None,
    at: date | None,
    seed: int | None,
    draws: int | None,
) -> Verdicts:
    from edgeroi.clock import today
    from edgeroi.draws import chance_of
    from edgeroi.errors import EdgeroiError
    from edgeroi.judging import judge, loaded
    from edgeroi.spec import Scenario

    given = [scenarios] if isinstance(scenarios, str | Path | Scenario) else list(scenarios)
    ready = [each for each in given if isinstance(each, Scenario)]
    if ready and set:
        raise EdgeroiError("a scenario that is loaded already is not overridden", key="set", fix="give set= to edgeroi.load_scenario")
    files = [str(each) for each in given if not isinstance(each, Scenario)]
    read, policies = loaded(files, tuple(f"{path}={value}" for path, value in (set or {}).items())) if files else ((), ())
    gate, chance = command == "check", chance_of(seed, draws)
    every, of_each = (*read, *ready), (*policies, *(None for _ in ready))
    return judge(every, command=command, today=today(), at=at, policies=of_each, gate=gate, chance=chance)


def load_scenario(file: str | Path, *, set: Mapping[str, str] | None = None) -> Scenario:
    """A scenario file as a value that ``compare`` and ``check`` take; keys overridden by ``{"workloads.search.requests": "20M /month"}``.

    Limits and rates of a project policy (``edgeroi.yaml``) go with files: give ``compare`` the file where there is one.
    """
    from edgeroi.scenario import load_scenario as load

    return load(Path(file), tuple(f"{path}={value}" for path, value in (set or {}).items()))


def load_prices(*references: str, files: Sequence[str | Path] = ()) -> PriceBook:
    """The price book that can answer ``provider/model`` references, or all of it without one; rows of price ``files`` of yours win.

    ``book.find(reference, day)`` is the price in force on a day, every rate with its source; nothing is downloaded.
    """
    from edgeroi.pricebooks import load

    return load(references or None, files)


def probe(
    file: str | Path,
    *,
    log: str | Path = "probe.jsonl",
    append: bool = False,
    max_requests: int | None = None,
    max_spend_usd: float | None = None,
    seed: int = 1,
) -> ProbeRun:
    """The endpoints of a probe file, measured as ``edgeroi probe`` does; the log it writes is an input of ``profile`` and of scenarios.

    ``.trusted`` and ``.reasons`` say whether a decision may rest on it. Interrupted, it returns what was measured, marked as such.
    """
    from contextlib import nullcontext
    from decimal import Decimal

    from edgeroi.probefile import load_plan
    from edgeroi.probing import Limits, run_probe

    limits = Limits(max_requests, None if max_spend_usd is None else Decimal(str(max_spend_usd)))
    return run_probe(
        load_plan(file), Path(log), append=append, limits=limits, seed=seed, say=lambda line: None, watching=lambda plan: nullcontext()
    )
