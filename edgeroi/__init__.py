"""Profiles AI-inference workloads and calculates whether running them at the edge pays.

Request logs become a profile (measured latency with its interval), a profile and a dated price become options, options and a stated
value of time become a verdict, and verdicts become a gate. Measuring, judging and presenting are three steps joined by values.

A line of this map imports only lines below it; the core knows no file, network, clock, terminal, YAML or environment::

    SHELL   cli/                                        one file per command: parse, call, render, exit
            draft · probing                             a scenario drafted from a log · a plan becomes a recorded run
            experimenting                               logs -> arms -> a judged experiment
            judging · linting                           scenarios -> verdicts -> gate · files -> findings
            casefile                                    what a scenario refers to: logs read, prices and round trips looked up
            elsewhere                                   what there is besides the two options: the book, regions, signs in a log
            lint · probefile · selftest                 what is odd in a scenario · probe files read strictly · what a probe adds
            scenario/ · renderers/ · engines/           YAML read strictly · table, JSON, CSV, Markdown · where chunks run
            logs/ · pricebooks/ · prober · recording    log formats · price sources · requests sent on time · the log of a probe
            doors                                       how a request reaches a target: by a wire, or by a policy over several
            wire                                        one request on a real connection, every phase stamped
            dialects/                                   wire formats of inference endpoints
            yamltree · clock · loopback · memory        YAML that knows its lines · the day · a server that keeps time · what is freed
            executor                                    policies run for real, over calls of any kind
    CORE    price_report · profile_report · verdict_report · probe_report   what prices, profile, compare and check, probe say
            ab_report · plan_report                     what ab and ab-plan say
            prospect_report                             the tornado, the S-curve, what is worth knowing
            evidence_report                             the figures behind the questions
            report                                      sections, tables of typed cells, notes, the JSON document
            gate                                        rules beside their limits, waivers
            verdict                                     the questions in their order, the evidence, the first that decides
            gain                                        where it comes from, and what speaks against it
            sample_sizes                                how many requests and days an experiment takes
            experiment                                  an experiment judged: guards, effects, decision
            attribution · remedies · symptoms           model or place · cheaper fixes · signs of trouble in a log
            regions                                     the users' regions one by one
            utilisation                                 servers in the books: how busy, inverted or not, what idles
            assembly                                    policies put together, each part as it serves its own requests
            tuning                                      the best setting of a policy, with its curve
            economics                                   premium, value, net, their prospect, break-evens
            probe_run                                   a run of a probe: its answers, what was expected of them, whether to trust it
            prediction                                  what a policy should take, by its parts as a probe measured them
            hybrid                                      an option that is a policy over others, asked like any option
            option                                      one way to serve: timing, tariff, traffic
            probe_plan                                  what a probe is to do
            servers                                     paid for busy or not: the load hour by hour, and the wait for one
            ensemble · sampling                         a latency in many worlds at once · what samples leave unknown
            spec                                        what a scenario states
            values/                                     what latency is worth
            felt                                        what a person notices
            policy                                      split, route, fallback, hedge, cascade as algebra on distributions
            guards                                      whether arms were filled as meant, with like requests, at once
            arms                                        an arm's requests or counts, and its sample of every number
            latency                                     distributions of ms and their algebra
            billing                                     an invoice's sum in many worlds at once
            cost                                        every dollar with its kind, quantity, rate and source
            prices                                      dated rates, the book
            census                                      requests counted into partial profiles
            workload                                    partial profiles that add up
            aggregate                                   ready quantiles of requests nobody lists
            trust · pairs                               whether a run was sent on time · differences pair by pair
            cuts                                        requests told apart by what a rule asks
            request · exchange · schedule               columns of one call, line accounting · one measured request · intended times
            effects                                     what one arm does against another: quantiles, shares, means
            histogram · geography                       latencies in buckets within 0.1 % · distances and the speed of light
            anytime                                     intervals that hold at every look
            draws · investment                          drivers drawn by name, what draws say of a decision · return, payback
            stats · queueing                            order statistics, intervals · Erlang, M/M/c, where many small queues lose
            units · words                               quantities that carry their units · numbers as sentences write them
            estimate                                    a number with its interval, n, basis and notes
            errors                                      what can go wrong, and how it ends
            compiled                                    the part in C, where it was built; numpy does the same

The Python API is the functions ``profile``, ``compare``, ``check``, ``ab`` and ``ab_plan``; what they return is immutable and has
``to_frame()``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from edgeroi.ab_report import Experiment
    from edgeroi.logs.reading import Reading
    from edgeroi.plan_report import ExperimentPlan
    from edgeroi.verdict_report import Verdicts
    from edgeroi.workload import Profile, SeenFrom

__all__ = ["__version__", "ab", "ab_plan", "check", "compare", "profile"]
__version__ = "0.2.0"


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
    from edgeroi.logs.mapping import reading_of

    given: dict[str, Any] = {
        "map": tuple(f"{column}={path}" for column, path in (map or {}).items()),
        "const": tuple(f"{column}={value}" for column, value in (const or {}).items()),
    }
    how = reading_of(
        Path(mapping) if mapping else None,
        by=_names(by),
        not_error=_names(not_error),
        require=_names(require),
        format=log_format,
        seen_from=seen_from,
        sampling=sampling,
        dedupe=dedupe,
        **given,
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


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    """One name, or several: a text is one, not its letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def compare(
    scenarios: str | Path | Sequence[str | Path],
    *,
    set: Mapping[str, str] | None = None,
    prices_as_of: date | None = None,
    seed: int | None = None,
    draws: int | None = None,
) -> Verdicts:
    """Scenario files or folders, judged: ``.decisions`` with verdict, cost, latency and value, ``.document`` as JSON prints it.

    Net is drawn in ``draws`` worlds (10,000) from ``seed``: the same of both give the same answer.
    """
    return _judged("compare", scenarios, set, prices_as_of, seed, draws)


def check(
    scenarios: str | Path | Sequence[str | Path],
    *,
    set: Mapping[str, str] | None = None,
    prices_as_of: date | None = None,
    seed: int | None = None,
    draws: int | None = None,
) -> Verdicts:
    """The same held against the gate: ``.gate`` is ``pass``, ``fail`` or ``undecided``, with the rules in ``.scenarios[i].findings``."""
    return _judged("check", scenarios, set, prices_as_of, seed, draws)


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

    how = _reading(map, const, mapping, not_error, require, log_format)
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

    how = _reading(map, const, mapping, not_error, require, log_format)
    wanted = Wanted(effect, power, deadline_ms=deadline_ms, margin=margin)
    return plan_from([logs] if isinstance(logs, str | Path) else logs, how, wanted, unit, where, jobs=jobs)[0]


def _reading(
    map: Mapping[str, str] | None,
    const: Mapping[str, str] | None,
    mapping: str | Path | None,
    not_error: str | Sequence[str],
    require: str | Sequence[str],
    log_format: str | None,
) -> Reading:
    from edgeroi.logs.mapping import reading_of

    given: dict[str, Any] = {
        "map": tuple(f"{column}={path}" for column, path in (map or {}).items()),
        "const": tuple(f"{column}={value}" for column, value in (const or {}).items()),
    }
    return reading_of(Path(mapping) if mapping else None, not_error=_names(not_error), require=_names(require), format=log_format, **given)


def _judged(
    command: str,
    scenarios: str | Path | Sequence[str | Path],
    set: Mapping[str, str] | None,
    at: date | None,
    seed: int | None,
    draws: int | None,
) -> Verdicts:
    from edgeroi.clock import today
    from edgeroi.draws import chance_of
    from edgeroi.judging import judge_files

    paths = [scenarios] if isinstance(scenarios, str | Path) else list(scenarios)
    overrides = tuple(f"{path}={value}" for path, value in (set or {}).items())
    gate, chance = command == "check", chance_of(seed, draws)
    return judge_files([str(path) for path in paths], overrides, command=command, today=today(), at=at, gate=gate, chance=chance)
