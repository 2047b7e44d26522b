"""From scenarios to verdicts: gather, decide, and hold against the gate. ``compare`` and ``check`` are this, printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from edgeroi.casefile import Casefile, ReadLog, Sources, gather
from edgeroi.cuts import Cut
from edgeroi.draws import Chance
from edgeroi.errors import EdgeroiError, InternalFault, Place
from edgeroi.gate import Finding, Gate, Level, findings_of, outcome, sum_findings
from edgeroi.option import family
from edgeroi.prices import PriceBook
from edgeroi.spec import LogRef, ProjectPolicy, Scenario
from edgeroi.trust import BLIND
from edgeroi.verdict import Decision, decide
from edgeroi.verdict_report import JudgedScenario, Verdicts
from edgeroi.workload import Profile, over_limit

if TYPE_CHECKING:
    from edgeroi.logs.reading import Reading


def judge(
    scenarios: Sequence[Scenario],
    *,
    command: str,
    today: date,
    at: date | None = None,
    policies: Sequence[ProjectPolicy | None] = (),
    gate: bool = False,
    explain: tuple[str, ...] = (),
    read: ReadLog | None = None,
    chance: Chance | None = None,
    beside: Sequence[Finding] = (),
) -> Verdicts:
    """Every workload of every scenario, judged; with ``gate``, held against the rules too.

    ``beside``: findings about no scenario, which count as theirs do.
    ``at``: the day whose prices apply where a scenario names none; ``today`` where it is ``None``. ``chance``: how worlds are drawn.
    """
    from edgeroi import __version__
    from edgeroi.pricebooks.round_trips import load as load_trips

    if not scenarios:
        raise EdgeroiError("no scenario to judge", fix="name a scenario file, or a folder that holds some")
    per_scenario = policies or [None] * len(scenarios)
    judged = []
    for scenario, policy in zip(scenarios, per_scenario, strict=True):
        day = scenario.prices_as_of or at or today
        sources = Sources(book_of, book_of_family, load_trips, day, read or read_log, policy)
        judged.append(_judged(gather(scenario, sources), policy, today, gate, chance or Chance()))
    _refuse_unknown_workload(explain, scenarios)
    days = {scenario.prices_as_of or at or today for scenario in scenarios}
    found = [*(finding for each in judged for finding in each.findings), *beside]
    return Verdicts(
        command,
        __version__,
        tuple(judged),
        max(days),
        outcome(found) if gate else None,
        explain,
        () if len(days) == 1 else (f"prices of several days: {', '.join(map(str, sorted(days)))}",),
        tuple(beside),
    )


def loaded(
    inputs: Sequence[str], overrides: Sequence[str] | None, policy_file: Path | None = None
) -> tuple[tuple[Scenario, ...], tuple[ProjectPolicy | None, ...]]:
    """Every scenario of these files and folders, with the project policy that holds for each."""
    scenarios, policies, _ = loaded_against(inputs, overrides, policy_file, None)
    return scenarios, policies


def loaded_against(
    inputs: Sequence[str], overrides: Sequence[str] | None, policy_file: Path | None, base_policy: Path | None
) -> tuple[tuple[Scenario, ...], tuple[ProjectPolicy | None, ...], tuple[Finding, ...]]:
    """The same, judged by the base branch's policy wherever the present one allows more; with a finding for each such key."""
    from edgeroi.scenario import load_policy, load_policy_beside, load_scenario, scenario_files

    files = [file for given in inputs for file in scenario_files(Path(given))]
    _refuse_twice(files)
    stated = load_policy(policy_file) if policy_file else None
    policies = tuple(stated or load_policy_beside(file) for file in files)
    findings: tuple[Finding, ...] = ()
    if base_policy is not None:
        policies, findings = _held_to(load_policy(base_policy), policies)
    given_overrides = tuple(overrides or ())
    scenarios = tuple(load_scenario(file, given_overrides, policy) for file, policy in zip(files, policies, strict=True))
    return scenarios, policies, findings


def _held_to(base: ProjectPolicy, policies: Sequence[ProjectPolicy | None]) -> tuple[tuple[ProjectPolicy, ...], tuple[Finding, ...]]:
    """The policies, each with the base's keys where it is looser; a policy that was deleted counts as one that states nothing."""
    from edgeroi.loosening import held, loosened
    from edgeroi.pricebooks.catalogue import serves_at_edge

    heads = [policy or ProjectPolicy(base.file) for policy in policies]
    found = (each.finding for head in heads for each in loosened(base, head, serves_at_edge))
    return tuple(held(base, head, serves_at_edge) for head in heads), tuple(dict.fromkeys(found))


def _refuse_twice(files: Sequence[Path]) -> None:
    """A scenario named twice, say by its folder too, would count its premium twice."""
    reached: dict[Path, Path] = {}
    for file in files:
        first = reached.setdefault(file.resolve(), file)
        if first is not file:
            raise EdgeroiError(f"was already reached as {first}; its premium would count twice", place=Place(str(file)), fix="name it once")


def judge_files(
    inputs: Sequence[str],
    overrides: Sequence[str] = (),
    *,
    command: str,
    today: date,
    at: date | None = None,
    gate: bool = False,
    chance: Chance | None = None,
) -> Verdicts:
    """Scenario files and folders, judged with the project policy that holds for each."""
    scenarios, policies = loaded(inputs, overrides)
    return judge(scenarios, command=command, today=today, at=at, policies=policies, gate=gate, chance=chance)


@lru_cache(maxsize=64)
def book_of(reference: str) -> PriceBook:
    """The price book that answers one reference."""
    from edgeroi.pricebooks import load

    return load((reference,))


@lru_cache(maxsize=64)
def book_of_family(name: str) -> PriceBook:
    """Every provider's rows of one model, whatever it calls it."""
    from edgeroi.pricebooks import load_models

    return load_models(lambda model: family(model) == name)


def _refuse_unknown_workload(explain: tuple[str, ...], scenarios: Sequence[Scenario]) -> None:
    known = {name for scenario in scenarios for name in scenario.workloads}
    for name in explain:
        if name not in known:
            raise EdgeroiError(f"there is no workload {name!r} to explain", key="--explain", fix=f"known: {', '.join(sorted(known))}")


def _judged(casefile: Casefile, policy: ProjectPolicy | None, today: date, gate: bool, chance: Chance) -> JudgedScenario:
    from edgeroi.scenario import gate_limits

    scenario = casefile.scenario
    limits = gate_limits(scenario.check, policy)
    cases = (replace(case, limits=limits, books=replace(case.books, chance=chance)) for case in casefile.cases)
    decisions = tuple(decide(case) for case in cases)
    findings: tuple[Finding, ...] = ()
    if gate:
        waivers = (*scenario.check.waivers, *(policy.check.waivers if policy else ()))
        rules = Gate(limits, waivers, today)
        findings = (*(f for d in decisions for f in findings_of(d, rules)), *sum_findings(decisions, rules), *_uncovered(casefile, rules))
        findings = (*findings, *_undecided(decisions, rules, findings))
    files = tuple(file for profile in casefile.profiles for file in profile.files)
    notes = tuple(note for profile in casefile.profiles for note in (*profile.notes, *(f"{log}: {BLIND}" for log in profile.blind)))
    return JudgedScenario(scenario.name, scenario.file, decisions, findings, casefile.source, files, notes)


def _uncovered(casefile: Casefile, rules: Gate) -> tuple[Finding, ...]:
    """Requests that the log saw at the edge, of workloads no scenario answers for."""
    place = casefile.scenario.log.place if casefile.scenario.log else None
    found = (
        Finding(
            "edge-uncovered",
            name,
            "warning",
            "fail",
            f"{count:,} requests of {name} ran at the edge and no `runs_on` covers them",
            0.0,
            float(count),
            place or Place(casefile.scenario.file),
        )
        for name, count in casefile.uncovered
    )
    return tuple(rules.waive(finding) for finding in found)


def _undecided(decisions: Sequence[Decision], rules: Gate, said: Sequence[Finding]) -> tuple[Finding, ...]:
    """An edge nobody can decide on is a warning, and with ``on_undecided: fail`` no pass; once, where a rule says so already."""
    level: Level = "error" if rules.limits.on_undecided == "fail" else "warning"
    told = {finding.workload for finding in said if finding.status == "undecided"}
    found = (
        Finding("data-missing", case.workload, level, "undecided", f"undecided: {decision.reason}", place=case.place)
        for decision in decisions
        for case in (decision.case,)
        if decision.verdict == "undecided" and case.workload not in told and case.runs_on and case.options[case.runs_on].at_edge
    )
    return tuple(rules.waive(finding) for finding in found)


def with_limits(scenario: Scenario, on_undecided: str | None) -> Scenario:
    """The scenario with ``--on-undecided`` from the command line."""
    if on_undecided is None:
        return scenario
    return replace(scenario, check=replace(scenario.check, on_undecided=on_undecided))  # type: ignore[arg-type]


def read_log(log: LogRef, by: tuple[str, ...], cuts: tuple[Cut, ...] = ()) -> Profile:
    """The log a scenario names, grouped by these columns and by what the cuts tell apart.

    A log that is damaged or mostly rejected is an error: no verdict rests on it.
    """
    from edgeroi.engines.local import read_logs

    profile = read_logs(log.files, _reading(log, by, cuts))
    refuse_unsound(profile, log.place)
    return profile


def _reading(log: LogRef, by: tuple[str, ...], cuts: tuple[Cut, ...]) -> Reading:
    from edgeroi.logs.mapping import reading_of

    reading = reading_of(
        log.mapping,
        by=by,
        map=tuple(f"{column}={path}" for column, path in log.columns.items()),
        const=tuple(f"{column}={value}" for column, value in log.constants.items()),
        not_error=log.not_error,
    )
    return replace(reading, by=(*reading.by, *(cut.column for cut in cuts)), cuts=cuts)


def refuse_unsound(profile: Profile, place: Place | None = None, tolerated: int | None = None) -> None:
    """Raise where nothing was profiled, a stream was damaged, or more lines were rejected than are ``tolerated``, or a verdict can bear."""
    if not profile.lines.balanced:
        raise InternalFault(f"lines do not balance: {profile.lines}")
    for file in profile.files:
        if file.damage:
            raise EdgeroiError(f"{file.path}: {file.damage}", place=place, fix="restore the file; edgeroi profile shows what could be read")
    if not profile.lines.profiled:
        names = ", ".join(file.path for file in profile.files)
        raise EdgeroiError(f"nothing could be profiled in {names}", place=place, fix="edgeroi profile says why each line was left out")
    if over_limit(profile.lines, tolerated):
        said = f"{profile.lines.total_rejected:,} of {profile.lines.read:,} lines were rejected, more than a verdict may rest on"
        raise EdgeroiError(said, place=place, fix="edgeroi profile --rejects FILE shows them")
