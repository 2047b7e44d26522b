"""What ``compare`` and ``check`` say: the verdict table, the break-even sentences, the gate's rules and the JSON document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from edgeroi import attribution, regions, remedies
from edgeroi.cost import CostLine
from edgeroi.difference import Difference
from edgeroi.economics import Books
from edgeroi.errors import EdgeroiError
from edgeroi.evidence_report import gain_document, network_shares_document, utilisation_document
from edgeroi.gate import Finding, Outcome, total_premium
from edgeroi.hybrid import PlanTariff
from edgeroi.latency import Latency
from edgeroi.option import Option, family
from edgeroi.prices import Unpriced
from edgeroi.prospect_report import NO_PROSPECT, driver_documents, prospect_document, s_curve, tornado
from edgeroi.report import (
    Cell,
    Column,
    Deferred,
    Figure,
    Json,
    Node,
    Report,
    Row,
    Section,
    Table,
    Text,
    Tone,
    Tree,
    envelope,
    file_document,
    mark,
    ratio,
    text,
    usd,
    usd_signed,
)
from edgeroi.shown import Shown
from edgeroi.since_report import since_document, since_lines
from edgeroi.spec import Judged
from edgeroi.tuning import Setting
from edgeroi.utilisation import inverted_words, utilisation_of
from edgeroi.values.deadline import Deadline
from edgeroi.values.linear_time import LinearTime
from edgeroi.values.none import NoValue
from edgeroi.verdict import Case, Decision, Step, Verdict, dollars, flips_if, has_value, sentence, settling, signed, sure_words
from edgeroi.workload import FileAccount

if TYPE_CHECKING:
    import pandas as pd

WORDS: Mapping[Verdict, tuple[str, Tone]] = {
    "worth_it": ("WORTH IT", "good"),
    "not_worth_it": ("NOT WORTH IT", "bad"),
    "no_reason_given": ("NO REASON GIVEN", "bad"),
    "required": ("REQUIRED", "good"),
    "undecided": ("UNDECIDED", "doubt"),
    "impossible": ("IMPOSSIBLE", "bad"),
}
#: Verdicts that a stated need gives, whatever the value.
_REQUIREMENTS: tuple[Verdict, ...] = ("required", "impossible")
#: Verdicts whose reason belongs beside the word.
_SAID_WHY: tuple[Verdict, ...] = ("undecided", "required", "impossible")


@dataclass(frozen=True)
class JudgedScenario:
    """A scenario with every workload judged; ``findings`` and ``gate`` are empty where nobody asked for the gate."""

    name: str
    file: str
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...] = ()
    source: str = ""
    files: tuple[FileAccount, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdicts(Shown):
    """Everything one call of compare or check found.

    ``findings`` are about no scenario: a policy that was loosened, a configuration. ``since`` is what changed against a former check.
    """

    command: str
    version: str
    scenarios: tuple[JudgedScenario, ...]
    prices_as_of: date | None = None
    gate: Outcome | None = None
    explain: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)
    findings: tuple[Finding, ...] = ()
    since: Difference | None = None

    @property
    def every_finding(self) -> tuple[Finding, ...]:
        """The findings of every scenario, then those about none."""
        return (*(finding for scenario in self.scenarios for finding in scenario.findings), *self.findings)

    @property
    def failures(self) -> tuple[str, ...]:
        """What keeps the gate from passing, a sentence each; none where nobody asked for the gate."""
        kept = (f for f in self.every_finding if f.level == "error" and f.status in ("fail", "undecided"))
        return tuple(f"{f.workload or 'all'}: {f.message} [{f.rule}]" for f in kept)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Every workload of every scenario."""
        return tuple(decision for scenario in self.scenarios for decision in scenario.decisions)

    def __repr__(self) -> str:
        """Every workload with its verdict, and the gate."""
        told = ", ".join(f"{decision.case.workload} {decision.verdict}" for decision in self.decisions)
        return f"<Verdicts: {told}{f'; gate {self.gate}' if self.gate else ''}>"

    @property
    def report(self) -> Report:
        """What the command says."""
        return verdict_report(self)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Net of every workload with its interval, and what each answer hangs on; none where no price is known."""
        from edgeroi.verdict_figures import verdict_figures

        return verdict_figures(self.decisions)

    @property
    def document(self) -> Mapping[str, Json]:
        """What ``--format json`` prints."""
        return verdict_document(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per workload: verdict, premium, value, net with its ends, and the break-evens; unknown is missing."""
        import pandas as pd

        rows = []
        for scenario in self.scenarios:
            for decision in scenario.decisions:
                told = {"scenario": scenario.name, "workload": decision.case.workload, "runs_on": decision.case.runs_on}
                points = _break_even(decision) or {}
                rows.append({**told, "best": decision.best, "verdict": decision.verdict, **_candidate(decision), **points})
        return pd.DataFrame(rows).convert_dtypes()


#: What a page shows of a workload besides: what can be moved, and pictures.
Drawn = Callable[[Decision], Sequence[Section]]


def verdict_report(verdicts: Verdicts, *, drawn: Drawn | None = None) -> Report:
    """The report of ``compare`` or ``check``; with ``drawn``, for a page: every workload is explained, and the gate is told first."""
    sections: list[Section] = []
    if drawn:
        sections += [_gate_line(verdicts)] if verdicts.gate else []
        sections += [section for scenario in verdicts.scenarios for section in _answers(scenario, verdicts.prices_as_of)]
        sections += [section for scenario in verdicts.scenarios for section in _at_length(scenario, drawn)]
        sections += _besides(verdicts)
        return Report(verdicts.command, Deferred(lambda: verdict_document(verdicts)), tuple(sections), _notes(verdicts))
    for scenario in verdicts.scenarios:
        sections += _answers(scenario, verdicts.prices_as_of)
        sections += explained_sections(scenario, verdicts.explain)
        sections += _findings(scenario)
    sections += _besides(verdicts)
    if verdicts.gate:
        sections.append(_gate_line(verdicts))
    return Report(verdicts.command, Deferred(lambda: verdict_document(verdicts)), tuple(sections), _notes(verdicts))


def explained_sections(scenario: JudgedScenario, names: Sequence[str]) -> tuple[Section, ...]:
    """What ``--explain`` adds about the workloads of these names: the path, what net hangs on, every cost line, a policy's best setting."""
    explained = [d for d in scenario.decisions if d.case.workload in names]
    return (
        *(_explanation(d) for d in explained),
        *(table for d in explained if _known(d) for table in _uncertainty(d) if table),
        *(table(d) for d in explained for table in (cost_table, unit_cost_table)),
        *(table for d in explained for table in _settings(d)),
    )


def _answers(scenario: JudgedScenario, prices_as_of: date | None) -> Iterator[Section]:
    yield _verdict_table(scenario, prices_as_of)
    yield Text(tuple(sentence(d) for d in scenario.decisions))
    if warnings := _warnings(scenario):
        yield Text(warnings, tone="doubt")


def _at_length(scenario: JudgedScenario, drawn: Drawn) -> Iterator[Section]:
    """Workload by workload: what a page draws, the decision path, and every cost line."""
    for decision in scenario.decisions:
        yield from (*drawn(decision), _explanation(decision), cost_table(decision), unit_cost_table(decision), *_settings(decision))
    yield from _findings(scenario)


def _findings(scenario: JudgedScenario) -> tuple[Table, ...]:
    return (findings_table(scenario.findings, f"{scenario.name}: rules"),) if scenario.findings else ()


def _besides(verdicts: Verdicts) -> Iterator[Section]:
    """What is about no scenario, and what changed since a former check."""
    if verdicts.findings:
        yield findings_table(verdicts.findings, "beside the scenarios")
    if verdicts.since:
        yield Text(since_lines(verdicts.since), title="against the base")


def _settings(decision: Decision) -> tuple[Table, ...]:
    return (_setting_table(decision.case.workload, decision.best_setting),) if decision.best_setting else ()


def _warnings(scenario: JudgedScenario) -> tuple[str, ...]:
    """The signs of trouble in the logs, a line each."""
    return tuple(f"warning: {d.case.workload}: {sign.said}" for d in scenario.decisions for sign in d.case.gain.symptoms)


def _uncertainty(decision: Decision) -> tuple[Table | None, ...]:
    """The tornado and the S-curve, where a net is what decides."""
    case, books = decision.case, decision.books
    return (tornado(books, case.workload), s_curve(books, case.workload, case.limits)) if weighed(decision) else ()


def _notes(verdicts: Verdicts) -> tuple[str, ...]:
    said = (note for scenario in verdicts.scenarios for note in (*scenario.notes, *(n for d in scenario.decisions for n in d.case.notes)))
    return tuple(dict.fromkeys((*verdicts.notes, *said)))


# ---- for people ------------------------------------------------------------------------------------------------------------

VERDICT_COLUMNS = (
    Column("workload", "workload"),
    Column("runs_on", "runs on"),
    Column("verdict", "verdict", "mark"),
    Column("premium_usd_month", "premium", "usd_signed"),
    Column("value_usd_month", "value", "usd"),
    Column("net_usd_month", "net (90 % interval)", "usd_signed", interval=True),
    Column("p_worth_it", "P(worth it)", "ratio", in_words=True),
    Column("flips_if", "flips if"),
)


def _verdict_table(scenario: JudgedScenario, prices_as_of: date | None) -> Table:
    priced = f"prices {prices_as_of}" if prices_as_of else "prices undated"
    title = " · ".join(part for part in (scenario.name, scenario.source, priced, "USD/month") if part)
    rows = tuple(verdict_row(decision) for decision in scenario.decisions)
    return Table(VERDICT_COLUMNS, rows, title, name="verdicts")


def verdict_row(decision: Decision) -> Row:
    """One workload: a cell per column of the verdict table, and what is said below them."""
    case, books = decision.case, decision.books
    known = not (case.missing_price or case.volume_unknown)
    likely = books.likely if known else None
    valued = has_value(case)
    cells = (
        text(case.workload),
        text(_placed(case)),
        mark(_verdict_words(decision), WORDS[decision.verdict][1]),
        usd_signed(likely.premium if likely else None),
        usd(likely.value if likely else None) if valued or decision.verdict in _REQUIREMENTS else _undeclared(case),
        usd_signed(likely.net, *_net_ends(books)) if likely and weighed(decision) else usd_signed(None),
        ratio(books.p_worth_it if likely and weighed(decision) and not books.candidate.best_case else None),
        text(flips_if(decision)),
    )
    return Row(cells, _detail(decision))


def weighed(decision: Decision) -> bool:
    """Whether a net is known: value against premium. Not where a requirement decides alone, nor where the value is unknown."""
    if has_value(decision.case):
        return decision.books.likely.value is not None
    return decision.verdict not in _REQUIREMENTS


def _undeclared(case: Case) -> Cell:
    return usd(0.0) if isinstance(case.books.stakes.value, NoValue) else text("?", "quiet")


def _net_ends(books: Books) -> tuple[float | None, float | None]:
    low, high = books.net_low, books.net_high
    return (low, high) if high - low >= max(0.005, 0.005 * abs(books.likely.net)) else (None, None)


def _placed(case: Case) -> str:
    if case.runs_on:
        return case.runs_on
    return f"{case.baseline} (proposed: {case.candidate})" if case.candidate != case.baseline else case.baseline


#: A reason that is longer stands in the line below the row, and only its head beside the verdict.
_REASON_WIDTH = 48


def _verdict_words(decision: Decision) -> str:
    word = WORDS[decision.verdict][0]
    return f"{word}: {_short(decision.reason)}" if decision.verdict in _SAID_WHY else word


def _short(reason: str) -> str:
    return reason if len(reason) <= _REASON_WIDTH else re.split(r"[:;,(]", reason)[0].strip()


def _detail(decision: Decision) -> str:
    """The line below a row: what is saved, whether it is felt, on which basis, what changed, and a better option."""
    case, books = decision.case, decision.books
    said = [_saving(case), _misses(books), _whole(books), change_of(books), *_gain_words(case)]
    if decision.verdict in ("not_worth_it", "no_reason_given") or _short(decision.reason) != decision.reason:
        said.append(decision.reason)
    said += [_sureness(decision, " ".join(said)), _paid_back(books) if _known(decision) else ""]
    if decision.best not in (case.runs_on, case.baseline) and decision.regret > 0:
        said.append(f"best: {_with_places(case.options[decision.best])}, {dollars(decision.regret)} a month better")
    if case.cheapest_same_model:
        said.append(f"same model off the edge: {case.cheapest_same_model[0]}, {dollars(case.cheapest_same_model[1])} less")
    return " · ".join(dict.fromkeys(part for part in said if part))


def _gain_words(case: Case) -> tuple[str, ...]:
    """Where the gain comes from, and what gives it for less; nothing where that is not known."""
    gain, saved, known = case.gain, case.books.saved, not (case.missing_price or case.volume_unknown)
    parts = attribution.words_of(gain.attribution) if gain.attribution else ""
    if not known or saved is None:
        return (parts,)
    servers = utilisation_of(case.books, case.books.candidate)
    inverted = inverted_words(servers) if servers else ""
    return parts, inverted, regions.winning_words(gain.regions), remedies.best_words(gain.remedies, saved.p50, case.books.likely.premium)


def _with_places(option: Option) -> str:
    """The option, and of a policy its kind and where its parts run: ``guarded (fallback: edge, far (cloud))``."""
    parts = ", ".join(part.name if part.name == part.placement else f"{part.name} ({part.placement})" for part in option.parts)
    return f"{option.name} ({option.policy}: {parts})" if option.policy else option.name


def _sureness(decision: Decision, said: str) -> str:
    """P(worth it) where net was drawn and nobody said it yet, and, where that leaves it open, what it is worth to know more."""
    case, books = decision.case, decision.books
    if not _known(decision) or not weighed(decision) or books.p_worth_it is None or decision.verdict in _REQUIREMENTS:
        return ""
    head = "" if _P in said or _P in _verdict_words(decision) else sure_words(books)
    if head and not (books.candidate.answered_for or books.candidate.best_case):
        head += " if its latency is as stated"
    is_open = case.limits.fail_at < books.p_worth_it < case.limits.edge_from
    return " · ".join(part for part in (head, settling(case) if is_open else "") if part)


_P = "P(worth it)"


def _paid_back(books: Books) -> str:
    """What is spent once, and when it is paid back; never a month that never comes."""
    found = books.investment
    if found is None:
        return ""
    spent, months = f"{dollars(found.spent_usd)} once", f"{found.horizon_months:g} months"
    if found.payback_months is None:
        return f"{spent}: no payback"
    late = "" if found.in_time else ", after the horizon"
    roi = "" if found.roi is None else f", ROI {found.roi:.0%}"
    return f"{spent}: paid back in {found.payback_months:,.1f} months{late}; over {months}{roi}, worth {signed(found.npv_usd)} today"


def _saving(case: Case) -> str:
    """``saves 62 of 610 ms to first token (10 %, not felt, from 122 ms; best case)``."""
    books = case.books
    saved, seen, before = books.saved, books.noticed, books.before
    if saved is None or seen is None or before is None or not before.quantile(0.5):
        return (books.candidate.unknown_latency or books.baseline.unknown_latency or "") if _asked_for(books) else ""
    what = {"ttft": " to first token", "e2e": ""}[books.stakes.judge]
    path = books.stakes.part_of.likely if books.stakes.part_of else None
    within = f" in a path of {path:,.0f} ms" if path else ""
    share = abs(saved.p50) / (path or before.quantile(0.5))
    said = [f"{share:.0%}", *_felt(books)]
    verb = "saves" if saved.p50 >= 0 else "adds"
    return f"{verb} {abs(saved.p50):,.0f} of {before.quantile(0.5):,.0f} ms{what}{within} ({', '.join(said)}; {_basis(books)})"


def _asked_for(books: Books) -> bool:
    """Whether latency matters to somebody: not where nobody waits."""
    return not isinstance(books.stakes.value, NoValue)


def _felt(books: Books) -> tuple[str, ...]:
    """Whether people notice; nothing of machines, nor of values that do not hang on it."""
    seen, value = books.noticed, books.stakes.value
    if seen is None or books.stakes.felt is None or not isinstance(value, LinearTime | None):
        return ()
    if seen.at_p50:
        return ("felt",)
    some = f"not felt at p50, in {seen.share:.0%} of requests" if seen.share >= 0.005 else "not felt"
    return (f"{some}, from {seen.felt_from_ms:,.0f} ms",)


def _misses(books: Books) -> str:
    """What decides under a deadline: who misses it how often."""
    model, before, after = books.stakes.value, books.before, books.after
    if not isinstance(model, Deadline) or before is None or after is None:
        return ""
    was, now = (100 * side.miss_ratio(model.limit.likely) for side in (before, after))
    return f"misses {model.limit.likely:,.0f} ms: {was:.3g} % to {now:.3g} %"


def _whole(books: Books) -> str:
    """The whole answer beside the first token."""
    if books.stakes.judge != "ttft" or books.baseline.e2e is None:
        return ""
    return f"e2e p50 {books.baseline.e2e.at({}).quantile(0.5):,.0f}"


def _basis(books: Books) -> str:
    if books.candidate.assume and books.candidate.assume.given and not books.candidate.measured:
        return f"assumed by {books.candidate.assume.by}"
    if books.saved is None:
        return "unknown"
    if books.candidate.best_case:
        return "best case" + (", network assumed" if books.saved.basis == "assumed" else "")
    return books.saved.basis.replace("_", " ")


def change_of(books: Books) -> str:
    """Whether the model or the place changes."""
    before, after = books.baseline, books.candidate
    if before.model is None or after.model is None:
        return ""
    model = "same model" if family(before.model) == family(after.model) else "another model"
    place = "same place" if before.placement == after.placement else f"{before.placement} to {after.placement}"
    return f"{model}, {place}"


def _explanation(decision: Decision) -> Tree:
    nodes = tuple(_node(step) for step in decision.steps)
    word, tone = WORDS[decision.verdict]
    root = Node(f"{decision.case.workload}: {word}", f"decided by: {decision.decided_by} {decision.reason}", nodes, tone)
    return Tree(root, "Decision path")


def _node(step: Step) -> Node:
    details = tuple(Node(detail) for detail in step.details)
    if step.verdict is None:
        return Node(step.question, step.evidence, details)
    word, tone = WORDS[step.verdict]
    said = f"{step.evidence} ({step.reason})" if step.reason not in step.evidence else step.evidence
    return Node(f"{step.question} -> {word}", said, details, tone)


def cost_table(decision: Decision) -> Table:
    """Every cost line of every priced option."""
    columns = (
        Column("option", "option"),
        Column("item", "item"),
        Column("quantity", "quantity", "number"),
        Column("unit", "unit"),
        Column("rate_usd", "rate", "usd"),
        Column("usd_month", "USD/month", "usd"),
        Column("source", "source", rank=2),
        Column("as_of", "as of", rank=1),
        Column("basis", "basis", rank=1),
    )
    rows = [_cost_row(name, line) for name, option in decision.case.options.items() for line in _lines(decision.books, option)]
    return Table(columns, tuple(rows), f"{decision.case.workload}: cost a month", name="cost_lines")


def unit_cost_table(decision: Decision) -> Table:
    """What each priced option comes to: a month, a year, a thousand requests, a million tokens."""
    columns = (
        Column("option", "option"),
        Column("model", "model"),
        Column("usd_month", "USD/month", "usd"),
        Column("usd_year", "USD/year", "usd"),
        Column("usd_per_1k_requests", "USD/1,000 requests", "usd"),
        Column("usd_per_mtok", "USD/Mtok in and out", "usd"),
    )
    rows = []
    for name, option in decision.case.options.items():
        if _lines(decision.books, option):
            cost = decision.books.cost_of(option)
            totals = (cost.usd_month, cost.usd_year, cost.usd_per_1k_requests, cost.usd_per_mtok)
            rows.append(Row((text(name), text(option.model), *(usd(total) for total in totals))))
    return Table(columns, tuple(rows), f"{decision.case.workload}: what it comes to", name="unit_costs")


_SETTING_WORDS: Mapping[str, str] = {"ms": "ms", "share": "%"}


def _setting_table(workload: str, setting: Setting) -> Table:
    """The curve of a policy's knob, the stated and the best point marked."""
    columns = (Column("value", setting.knob, "number"), Column("net_usd_month", "net", "usd_signed"), Column("mark", "", "text"))
    rows = []
    for value, net in setting.curve:
        marks = [word for word, at in (("stated", setting.stated), ("best", setting.best)) if value == at]
        shown = round(value, 1) if setting.unit == "ms" else round(100 * value, 1)
        rows.append(Row((Cell(shown, "number"), usd_signed(net), text(", ".join(marks)))))
    title = f"{workload}: net by {setting.knob}, {_SETTING_WORDS[setting.unit]}; {_setting_said(setting)}"
    return Table(columns, tuple(rows), title, name="setting")


def _setting_said(setting: Setting) -> str:
    """``best at 620 ms, $12.00 a month better than at 500 ms``."""
    best, stated = (f"{value:,.0f} ms" if setting.unit == "ms" else f"{value:.1%}" for value in (setting.best, setting.stated))
    if setting.gain <= 0.005:
        return f"{stated} is as good as any"
    return f"best at {best}, {dollars(setting.gain)} a month better than at {stated}"


def _lines(books: Books, option: Option) -> tuple[CostLine, ...]:
    try:
        return books.cost_of(option).lines
    except Unpriced:
        return ()


def _cost_row(option: str, line: CostLine) -> Row:
    return Row(
        (
            text(option),
            text(line.item),
            Cell(line.quantity, "number"),
            text(line.unit),
            usd(line.rate_usd),
            usd(line.usd_month),
            text(line.source),
            text(str(line.as_of) if line.as_of else None),
            text(line.basis),
        )
    )


_STATUS_TONE: Mapping[str, Tone] = {"pass": "good", "fail": "bad", "undecided": "doubt", "waived": "quiet"}


def findings_table(findings: Sequence[Finding], title: str) -> Table:
    """Rules with their value beside their limit."""
    columns = (
        Column("rule", "rule"),
        Column("workload", "workload"),
        Column("status", "status", "mark"),
        Column("value", "value", "number"),
        Column("limit", "limit", "number"),
        Column("message", "message"),
        Column("place", "at"),
    )
    return Table(columns, tuple(_finding_row(finding) for finding in findings), name="checks", title=title)


def _finding_row(finding: Finding) -> Row:
    status = "warning" if finding.level == "warning" else finding.status
    tone: Tone = "doubt" if finding.level == "warning" else _STATUS_TONE[finding.status]
    value, limit = (None if number is None else round(number, 2) for number in (finding.value, finding.limit))
    place = str(finding.place) if finding.place else None
    cells = (text(finding.rule), text(finding.workload or "all"), mark(status, tone), Cell(value, "number"), Cell(limit, "number"))
    return Row((*cells, text(finding.message), text(place)))


def unanswered(verdicts: Verdicts) -> str:
    """What the gate was asked and could not answer, a line each."""
    found = (f for f in verdicts.every_finding if f.level == "error" and f.status == "undecided")
    return "no answer: " + "; ".join(f"{finding.workload}: {finding.message} [{finding.rule}]" for finding in found)


def gate_words(verdicts: Verdicts) -> str:
    """``gate: FAIL (2)``, with what edge spend comes to where it is known."""
    premium = edge_premium(verdicts)
    return f"{'' if premium is None else f'{spent_words(premium)} · '}gate: {outcome_words(verdicts)}"


def outcome_words(verdicts: Verdicts) -> str:
    """``FAIL (2)``: the gate's word, and how many findings give it."""
    errors = [f for f in verdicts.every_finding if f.level == "error"]
    counted = sum(finding.status == verdicts.gate for finding in errors)
    assert verdicts.gate is not None
    return verdicts.gate.upper() + ("" if verdicts.gate == "pass" else f" ({counted})")


def edge_premium(verdicts: Verdicts) -> float | None:
    """What the workloads at the edge cost more a month than their baselines, as far as that is known; ``None`` where of none it is."""
    edge = [d for d in verdicts.decisions if d.case.runs_on and d.case.options[d.case.runs_on].at_edge]
    priced = [d for d in edge if not (d.case.missing_price or d.case.volume_unknown)]
    return total_premium(priced) if priced else None


def spent_words(premium: float) -> str:
    """``edge costs +$195 a month = $2,340 a year``; cents where dollars would hide it."""
    digits = 0 if abs(premium) >= 10 or not premium else 2
    month, year = (f"${abs(premium) * months:,.{digits}f}" for months in (1, 12))
    return f"edge saves {month} a month = {year} a year" if premium < 0 else f"edge costs +{month} a month = {year} a year"


def _gate_line(verdicts: Verdicts) -> Text:
    return Text((gate_words(verdicts),), tone=_STATUS_TONE[verdicts.gate or "pass"])


# ---- for scripts -----------------------------------------------------------------------------------------------------------


def verdict_document(verdicts: Verdicts) -> Mapping[str, Json]:
    """The JSON document of ``compare`` and ``check``."""
    files: list[Json] = [file_document(file) for scenario in verdicts.scenarios for file in scenario.files]
    head = envelope(
        verdicts.command,
        verdicts.version,
        files=files,
        notes=_notes(verdicts),
        seed=_seed(verdicts),
        prices_as_of=str(verdicts.prices_as_of) if verdicts.prices_as_of else None,
    )
    scenarios: list[Json] = [_scenario(scenario) for scenario in verdicts.scenarios]
    return {**head, "scenarios": scenarios, **(_gate_document(verdicts) if verdicts.gate else {})}


def _gate_document(verdicts: Verdicts) -> dict[str, Json]:
    checks: list[Json] = [finding_document(finding) for finding in verdicts.findings]
    since = {"since": since_document(verdicts.since)} if verdicts.since else {}
    return {"gate": verdicts.gate, "edge_premium_usd_month": edge_premium(verdicts), "checks": checks, **since}


def _seed(verdicts: Verdicts) -> int | None:
    """What the draws follow from; ``None`` where nothing was drawn."""
    drawn = (d.books.chance.seed for d in verdicts.decisions if _known(d) and d.books.prospect is not None)
    return next(drawn, None)


def _scenario(scenario: JudgedScenario) -> Json:
    workloads: list[Json] = [_workload(d, [f for f in scenario.findings if f.workload == d.case.workload]) for d in scenario.decisions]
    own = {decision.case.workload for decision in scenario.decisions}
    shared: list[Json] = [finding_document(f) for f in scenario.findings if f.workload not in own]
    return {"name": scenario.name, "file": scenario.file, "workloads": workloads, "checks": shared, "limits": _limits(scenario)}


def _limits(scenario: JudgedScenario) -> Json:
    """What the gate holds the scenario to; ``on_undecided`` is 1 where an undecided edge fails."""
    limits = next((decision.case.limits for decision in scenario.decisions), None)
    if limits is None:
        return None
    return {
        "materiality_usd_month": limits.materiality.usd_month,
        "materiality_ratio": limits.materiality.ratio,
        "edge_from": limits.edge_from,
        "fail_at": limits.fail_at,
        "on_undecided": int(limits.on_undecided == "fail"),
    }


def _workload(decision: Decision, findings: Sequence[Finding]) -> Json:
    case, books = decision.case, decision.books
    checks: list[Json] = [finding_document(finding) for finding in findings]
    return {
        "workload": case.workload,
        "runs_on": case.runs_on,
        "baseline": case.baseline,
        "best": decision.best,
        "best_places": list(case.options[decision.best].places),
        "regret_usd_month": _finite(decision.regret),
        "verdict": decision.verdict,
        "verdict_reason": decision.reason,
        "decided_by": decision.decided_by,
        "sentence": sentence(decision),
        "flips_if": flips_if(decision),
        "traffic": _traffic(books),
        "options": {name: _option(books, option) for name, option in case.options.items()},
        "judged": _judged(books),
        "candidate": _candidate(decision),
        "best_setting": _setting(decision.best_setting),
        "break_even": _break_even(decision),
        "drivers": driver_documents(books) if _known(decision) else [],
        **(prospect_document(books, case.limits) if _known(decision) else NO_PROSPECT),
        **gain_document(case.gain),
        "path": [
            {"question": s.question, "evidence": s.evidence, "verdict": s.verdict, "details": list(s.details)} for s in decision.steps
        ],
        "checks": checks,
    }


def _finite(number: float | None) -> float | None:
    return None if number is None or number != number or number in (float("inf"), float("-inf")) else number


def _known(decision: Decision) -> bool:
    return not (decision.case.missing_price or decision.case.volume_unknown)


def _traffic(books: Books) -> Json:
    traffic = books.stakes.traffic
    counts = {
        "requests_month": traffic.requests,
        "input_tokens": traffic.input_tokens,
        "cached_tokens": traffic.cached_tokens,
        "cache_write_tokens": traffic.cache_write_tokens,
        "output_tokens": traffic.output_tokens,
    }
    return {
        name: None
        if number is None
        else {"likely": _finite(number.likely), "low": _finite(number.low), "high": _finite(number.high), "basis": number.basis}
        for name, number in counts.items()
    }


def _option(books: Books, option: Option) -> Json:
    lines = _lines(books, option)
    cost = None
    if lines:
        cost = books.cost_of(option)
    e2e, ttft = (timing.at({}) if timing else None for timing in (option.e2e, option.ttft))
    either = e2e or ttft
    return {
        "placement": option.placement,
        "model": option.model,
        "region": option.region,
        "policy": option.policy,
        "parts": _parts(option),
        "cost_usd_month": cost.usd_month if cost else None,
        "cost_usd_year": cost.usd_year if cost else None,
        "cost_usd_per_1k_requests": cost.usd_per_1k_requests if cost else None,
        "cost_usd_per_mtok": cost.usd_per_mtok if cost else None,
        "cost_lines": [_cost_line(line) for line in lines],
        "unpriced": option.unpriced,
        "latency_ms": _latency(e2e),
        "ttft_ms": _latency(ttft),
        "error_ratio": either.failure_ratio if either else None,
        "quality": option.quality.likely if option.quality else None,
        "capacity": _servers(books, option),
        "overload": option.overload,
        "measured": option.measured,
        "best_case": option.best_case,
        "notes": list(option.notes),
    }


def _servers(books: Books, option: Option) -> Json:
    try:
        found = utilisation_of(books, option)
    except EdgeroiError:
        return None  # no volume: nothing is asked of the servers
    return utilisation_document(found) if found else None


def _parts(option: Option) -> Json:
    """What a policy is made of: its options, where they run, and how many calls of each a request comes to."""
    plan = option.tariff.plan if isinstance(option.tariff, PlanTariff) else None
    calls = plan.calls({}) if plan else {}
    return [{"name": part.name, "placement": part.placement, "calls_per_request": calls.get(part.name)} for part in option.parts]


def _setting(setting: Setting | None) -> Json:
    if setting is None:
        return None
    curve: list[Json] = [{"value": value, "net_usd_month": net} for value, net in setting.curve]
    return {
        "knob": setting.knob,
        "unit": setting.unit,
        "stated": setting.stated,
        "stated_net_usd_month": setting.stated_net,
        "best": setting.best,
        "best_net_usd_month": setting.best_net,
        "curve": curve,
    }


def _cost_line(line: CostLine) -> Json:
    return {
        "item": line.item,
        "kind": line.kind,
        "quantity": line.quantity,
        "unit": line.unit,
        "rate_usd": line.rate_usd,
        "usd_month": line.usd_month,
        "source": line.source,
        "as_of": str(line.as_of) if line.as_of else None,
        "basis": line.basis,
        "account": line.account,
    }


def _latency(latency: Latency | None) -> Json:
    if latency is None:
        return None
    points: dict[str, Json] = {f"p{100 * p:g}": latency.quantile(p) for p in (0.5, 0.95, 0.99)}
    listed = latency.basis != "aggregate"  # an aggregate has a sample, but nobody can look at it
    estimable: dict[str, Json] = {f"p{100 * p:g}": listed and latency.estimable(p) for p in (0.5, 0.95, 0.99)}
    return {**points, "mean": latency.mean_ms, "basis": latency.basis, "n": latency.n, "estimable": estimable}


def _judged(books: Books) -> Json:
    saved, seen = books.saved, books.noticed
    judge: Judged = books.stakes.judge
    return {
        "latency": judge,
        "saved_ms": {"mean": saved.mean, "p50": saved.p50, "p99": saved.p99, "basis": saved.basis} if saved else None,
        "network_share": books.network_share,
        "network_share_of": network_shares_document(books.baseline),
        "felt": seen.at_p50 if seen else None,
        "felt_share": seen.share if seen else None,
        "felt_from_ms": seen.felt_from_ms if seen else None,
    }


def net_of(decision: Decision) -> tuple[float, float, float] | None:
    """Net a month with the ends of its 90 % interval; ``None`` where it is not known."""
    books = decision.books
    weighed = _known(decision) and (not has_value(decision.case) or books.likely.value is not None)
    return (books.likely.net, books.net_low, books.net_high) if weighed else None


def _candidate(decision: Decision) -> dict[str, Json]:
    books, net = decision.books, net_of(decision)
    likely = books.likely if _known(decision) else None
    judged_value = likely is not None and (has_value(decision.case) or isinstance(books.stakes.value, NoValue))
    return {
        "name": decision.case.candidate,
        "premium_usd_month": likely.premium if likely else None,
        "value_usd_month": (likely.value or 0.0 if isinstance(books.stakes.value, NoValue) else likely.value)
        if likely and judged_value
        else None,
        **dict(zip(("net_usd_month", "net_low_usd_month", "net_high_usd_month"), net or (None, None, None), strict=True)),
        "net_mean_usd_month": float(books.prospect.net.mean()) if net and books.prospect else None,
        "p_worth_it": books.p_worth_it if net and not books.candidate.best_case else None,
        "p_best_case": books.p_worth_it if net and books.candidate.best_case else None,
        "basis": books.saved.basis if books.saved else None,
    }


def _break_even(decision: Decision) -> dict[str, Json] | None:
    if not _known(decision):
        return None
    return {name: _finite(value) for name, value in decision.books.break_even.items()}


def finding_document(finding: Finding) -> dict[str, Json]:
    """A rule as every document tells of it."""
    return {
        "rule": finding.rule,
        "workload": finding.workload,
        "subject": finding.subject or None,
        "level": finding.level,
        "status": finding.status,
        "message": finding.message,
        "limit": _finite(finding.limit),
        "value": _finite(finding.value),
        "file": finding.place.file if finding.place else None,
        "line": finding.place.line if finding.place else None,
    }
