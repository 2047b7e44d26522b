"""What a check says in a pull request: short enough to be read in ten seconds, the rest folded away.

First the gate and what edge spend comes to, then what changed, then the workloads that matter, the gravest first, each with its verdict,
its money, what would flip it and the rule beside its limit, then waivers. Where nothing changed against the base it is one line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edgeroi.annotation import WEIGHTS, Weight, weight_of
from edgeroi.gate import Finding
from edgeroi.report import Column, Report, Row, Section, Table, Text, text
from edgeroi.since_report import change_lines, since_lines
from edgeroi.verdict import Decision, sentence
from edgeroi.verdict_report import (
    VERDICT_COLUMNS,
    JudgedScenario,
    Verdicts,
    edge_premium,
    explained_sections,
    findings_table,
    gate_words,
    outcome_words,
    spent_words,
    verdict_report,
    verdict_row,
)
from edgeroi.words import dollars, signed

#: Rows a reader takes in; the others are counted.
SHOWN = 10
#: Columns of the verdict table that a comment can do without.
_LEFT_OUT = ("value_usd_month", "p_worth_it")
_LOOSENED = "policy-weakened"
_KEPT = tuple(place for place, column in enumerate(VERDICT_COLUMNS) if column.key not in _LEFT_OUT)


@dataclass(frozen=True, slots=True)
class _Told:
    """One workload with its findings, as a row."""

    scenario: str
    decision: Decision
    findings: tuple[Finding, ...]
    changed: bool

    @property
    def gravest(self) -> Finding | None:
        return min(self.findings, key=lambda finding: WEIGHTS.index(_weight(finding)), default=None)

    @property
    def matters(self) -> bool:
        """Whether it changed, or does not simply pass."""
        return self.changed or (self.gravest is not None and _weight(self.gravest) != "pass")

    @property
    def rank(self) -> tuple[int, int, float]:
        """What stands first: what fails, then what changed, then what costs most."""
        weight = WEIGHTS.index(_weight(self.gravest)) if self.gravest else len(WEIGHTS)
        books = self.decision.books
        known = not (self.decision.case.missing_price or self.decision.case.volume_unknown)
        return weight, int(not self.changed), -abs(books.likely.premium) if known else float("-inf")


def _weight(finding: Finding) -> Weight:
    return weight_of(finding.level, finding.status)


def comment_report(verdicts: Verdicts) -> Report:
    """The comment; its document is the whole check's."""
    whole = verdict_report(verdicts)
    return Report(verdicts.command, whole.document, tuple(_sections(verdicts)), whole.notes)


def _sections(verdicts: Verdicts) -> Iterator[Section]:
    since = verdicts.since
    if since and since.is_quiet:
        yield Text((f"edgeroi: {since_lines(since)[0]}; {gate_words(verdicts)}{', as before' if verdicts.gate != 'pass' else ''}",))
        return
    premium = edge_premium(verdicts)
    spent = "what the edge costs is not known" if premium is None else spent_words(premium)
    yield Text(_below(verdicts), title=f"edgeroi: {outcome_words(verdicts)} · {spent}")
    if since:
        said = tuple(_first(change_lines(since))) or ("no workload changed",)
        yield Text(said, title="Against the base branch")
    if said := tuple(_first(_loosened(verdicts))):
        yield Text(said, title="The policy was loosened")
    rows = sorted(_told(verdicts), key=lambda told: told.rank)
    yield _table(rows, compared=since is not None)
    if said := tuple(_first(_accepted(verdicts))):
        yield Text(said, title="Waived")
    if said := tuple(_first(_beside(verdicts))):
        yield Text(said, title="Beside the scenarios", tone="doubt")
    yield from _folded(verdicts, rows)
    for scenario in verdicts.scenarios:
        yield from explained_sections(scenario, verdicts.explain)


def _below(verdicts: Verdicts) -> tuple[str, ...]:
    """The line under the title: how edge spend moved, and what everything rests on."""
    moved = ""
    if verdicts.since:
        was, now = verdicts.since.premium[0], edge_premium(verdicts)
        if was is not None and now is not None and abs(now - was) >= 0.005:
            moved = f"{signed(now - was)} a month against the base branch"
    workloads = f"{_counted(len(verdicts.decisions), 'workload')} in {_counted(len(verdicts.scenarios), 'scenario')}"
    priced = f"prices {verdicts.prices_as_of}" if verdicts.prices_as_of else "prices undated"
    return (" · ".join(part for part in (moved, workloads, priced, "USD/month", f"edgeroi {verdicts.version}") if part),)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _told(verdicts: Verdicts) -> Iterator[_Told]:
    changed = {(change.scenario, change.workload) for change in verdicts.since.changes} if verdicts.since else set()
    for scenario in verdicts.scenarios:
        for decision in scenario.decisions:
            name = decision.case.workload
            found = tuple(finding for finding in scenario.findings if finding.workload == name)
            yield _Told(scenario.name, decision, found, (scenario.name, name) in changed)


def _table(rows: Sequence[_Told], compared: bool) -> Table:
    """The rows that matter most; where there is something to compare with, those that pass as before are only counted."""
    columns = (*(VERDICT_COLUMNS[place] for place in _KEPT), Column("rule", "rule: value, limit"))
    shown = [told for told in rows if told.matters or not compared][:SHOWN]
    names = Counter(told.decision.case.workload for told in rows)
    rest = [told for told in rows if told not in shown]
    return Table(columns, tuple(_row(told, names) for told in shown), caption=_rest(rest), name="verdicts")


def _row(told: _Told, names: Mapping[str, int]) -> Row:
    """The workload's row, with its scenario where another has one of the same name."""
    name = told.decision.case.workload
    told_apart = f"{name} ({told.scenario})" if names[name] > 1 else name
    cells = (verdict_row(told.decision).cells[place] for place in _KEPT[1:])
    return Row((text(told_apart), *cells, text(_rule_words(told))))


def _rule_words(told: _Told) -> str:
    """``edge-net: -195, limit -50``; the gravest of several, the others counted."""
    finding = told.gravest
    if finding is None:
        return "not at the edge" if told.decision.case.runs_on is None else "none applies"
    value = "" if finding.value is None else f": {_amount(finding.value)}"
    limit = "" if finding.limit is None else f", limit {_amount(finding.limit)}"
    status = {"pass": "passes", "fail": "fails", "undecided": "undecided", "waived": "waived"}[finding.status]
    others = sum(_weight(other) == _weight(finding) for other in told.findings) - 1
    more = f" and {others} more" if others and _weight(finding) != "pass" else ""
    word = "warning" if _weight(finding) == "warning" else status
    return f"{finding.rule} {word}{value}{limit}{more}"


def _amount(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:,.4g}"


def _rest(rows: Sequence[_Told]) -> tuple[str, ...]:
    """What the rows that are not shown come to."""
    if not rows:
        return ()
    counts: dict[str, int] = {}
    for told in rows:
        weight = _weight(told.gravest) if told.gravest else "pass"
        counts[weight] = counts.get(weight, 0) + 1
    said = ", ".join(f"{counts[weight]} {_COUNTED[weight]}" for weight in WEIGHTS if weight in counts)
    return (f"and {_counted(len(rows), 'more workload')}: {said}",)


_COUNTED: Mapping[Weight, str] = {
    "fail": "failing",
    "undecided": "undecided",
    "warning": "with a warning",
    "waived": "waived",
    "pass": "passing",
}


def _accepted(verdicts: Verdicts) -> Iterator[str]:
    for finding in verdicts.every_finding:
        if finding.status == "waived":
            yield f"{finding.workload or 'all'}, {finding.rule}: {finding.message}"


def _beside(verdicts: Verdicts) -> Iterator[str]:
    """Uses of the edge that nobody answers for, and the sum of several workloads where it fails."""
    for scenario in verdicts.scenarios:
        own = {decision.case.workload for decision in scenario.decisions}
        yield from (_finding_words(scenario, f) for f in scenario.findings if f.workload not in own and f.status in ("fail", "undecided"))
    others = (finding for finding in verdicts.findings if finding.rule != _LOOSENED and finding.status != "waived")
    yield from (f"{_where(finding)}: {finding.message} ({finding.rule})" for finding in others)


def _loosened(verdicts: Verdicts) -> Iterator[str]:
    return (f"{_where(finding)}: {finding.message}" for finding in verdicts.findings if finding.rule == _LOOSENED)


def _where(finding: Finding) -> str:
    """``edgeroi.yaml:3``: a reader looks for a line, not for a column."""
    place = finding.place
    return str(replace(place, column=None)) if place else "somewhere"


def _finding_words(scenario: JudgedScenario, finding: Finding) -> str:
    limit = "" if finding.limit is None or not finding.limit else f", limit {dollars(finding.limit)}"
    return f"{scenario.name}: {finding.message} ({finding.rule}{limit})"


def _folded(verdicts: Verdicts, rows: Sequence[_Told]) -> Iterator[Section]:
    """What decides in words, and every rule: for whoever wants to know more."""
    shown = rows[: 2 * SHOWN]
    yield Text(tuple(sentence(told.decision) for told in shown), title="In words", folded=True)
    findings = [finding for told in shown for finding in told.findings]
    if findings:
        table = findings_table(findings, "Rules")
        yield Table(table.columns, table.rows, table.title, name=table.name, folded=True)


def _first(lines: Iterable[str]) -> Iterator[str]:
    told = list(lines)
    yield from told[:SHOWN]
    if len(told) > SHOWN:
        yield f"and {len(told) - SHOWN} more"
