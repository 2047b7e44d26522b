"""Files to lint: which kind each is, what reading it found, and what the rules of ``edgeroi.lint`` say about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from edgeroi import __version__
from edgeroi.errors import EdgeroiError, Place
from edgeroi.lint import Finding, as_finding, lint_prices, lint_scenario, references, rules, unused_source
from edgeroi.mapping_lint import lint_mapping
from edgeroi.report import Cell, Column, Json, Report, Row, Table, count, envelope, mark, text
from edgeroi.scenario import POLICY_NAME, ManyErrors, Overrides, load_policy, load_policy_beside, load_routes, scenario_of
from edgeroi.scenario.reading import begins_with, yaml_files
from edgeroi.spec import Scenario
from edgeroi.yamltree import Node, read_tree
from edgeroi.yamltree import Table as Keys

Kind = Literal["scenario", "routes", "policy", "prices", "mapping"]

#: Top-level keys by which a file is known, most telling first.
_KINDS: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("scenario", frozenset({"workloads"})),
    ("routes", frozenset({"policies"})),
    ("prices", frozenset({"offers", "sources"})),
    ("policy", frozenset({"rates", "discounts", "materiality", "edge_from", "fail_at", "on_undecided"})),
    ("mapping", frozenset({"map", "const", "require", "not_error", "rules"})),
    ("scenario", frozenset({"edgeroi", "options"})),
)
_TELLING = tuple(sorted(frozenset[str]().union(*(keys for _, keys in _KINDS))))


@dataclass(frozen=True)
class Linted:
    """What was looked at, and what was found."""

    files: tuple[tuple[str, Kind | None], ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.level == "error" for finding in self.findings)


def lint_files(paths: Iterable[Path], today: date, overrides: Overrides = (), price_files: Iterable[Path] = ()) -> Linted:
    """Every finding in these files and in the YAML files of these folders, file by file."""
    from edgeroi import pricebooks

    files: list[tuple[str, Kind | None]] = []
    read: list[tuple[Scenario | None, list[Finding]]] = []
    for path in _files(paths):
        kind, scenario, found = _one(path, today, overrides)
        files.append((str(path), kind))
        read.append((scenario, found))
    scenarios = [scenario for scenario, _ in read if scenario]
    book = pricebooks.load(references(scenarios), price_files) if scenarios else None
    findings = ((*found, *(lint_scenario(scenario, today, book, _region) if scenario else ())) for scenario, found in read)
    return Linted(tuple(files), tuple(finding for each in findings for finding in each))


def _files(paths: Iterable[Path]) -> tuple[Path, ...]:
    found: dict[Path, Path] = {}
    for path in paths:
        inside = [file for file in yaml_files(path) if begins_with(file, *_TELLING)] if path.is_dir() else [path]
        if not inside:
            raise EdgeroiError("no scenario, mapping, price file or policy in this folder", place=Place(str(path)))
        for file in inside:
            found.setdefault(file.resolve(), file)
    return tuple(found.values())


def _one(path: Path, today: date, overrides: Overrides) -> tuple[Kind | None, Scenario | None, list[Finding]]:
    kind: Kind | None = None
    try:
        tree = read_tree(path)
        kind = kind_of(path, tree)
        if kind == "scenario":
            return kind, scenario_of(tree, path, overrides, load_policy_beside(path)), []
        return kind, None, list(_others(kind, path, today))
    except ManyErrors as many:
        return kind, None, [as_finding(error) for error in many.errors]
    except EdgeroiError as error:
        return kind, None, [as_finding(error)]


def kind_of(path: Path, tree: Node) -> Kind:
    """What a file is, by its name and its top-level keys. Raises ``EdgeroiError`` for a file that is none of ours."""
    if path.name == POLICY_NAME:
        return "policy"
    keys = frozenset(tree.keys) if isinstance(tree, Keys) else frozenset[str]()
    for kind, telling in _KINDS:
        if keys & telling:
            return kind
    known = "a scenario has `workloads`, a price file `offers`, a mapping `map`, a policy `rates` or `materiality`"
    raise EdgeroiError("neither scenario, mapping, price file nor policy", place=tree.place, fix=known)


def _others(kind: Kind, path: Path, today: date) -> Iterable[Finding]:
    if kind == "policy":
        load_policy(path)
        return ()
    if kind == "routes":
        load_routes(path)
        return ()
    if kind == "prices":
        from edgeroi.pricebooks import catalogue

        file = catalogue.looked_over(path)
        unused = (unused_source(key) for key in file.unused_sources)
        return _in_order((*map(as_finding, file.mistakes), *lint_prices(file.rows, today), *unused))
    from edgeroi.logs import mapping

    wrong = mapping.mistakes(path)
    return _in_order((*map(as_finding, wrong), *(() if wrong else lint_mapping(read_tree(path)))))


def _in_order(findings: Iterable[Finding]) -> list[Finding]:
    """As they stand in the file."""
    return sorted(findings, key=lambda each: (each.place.line or 0, each.place.column or 0) if each.place else (0, 0))


def _region(name: str) -> str | None:
    from edgeroi.pricebooks import round_trips

    try:
        return round_trips.load().region(name)
    except EdgeroiError:
        return None


def report_of(linted: Linted) -> Report:
    """The findings as a table and a document."""
    rows = tuple(Row(tuple(_cells(finding))) for finding in linted.findings)
    columns = (
        Column("file", "file"),
        Column("line", "line", "count"),
        Column("column", "column", "count"),
        Column("level", "level", "mark"),
        Column("rule", "rule"),
        Column("message", "message"),
        Column("fix", "fix"),
    )
    document: dict[str, Json] = {
        **envelope("lint", __version__, files=[{"path": path, "kind": kind} for path, kind in linted.files], interval_level=None),
        "findings": [_document(finding) for finding in linted.findings],
        "errors": linted.errors,
        "warnings": len(linted.findings) - linted.errors,
        "rules": dict(rules()),
    }
    return Report("lint", document, (Table(columns, rows, name="findings"),))


def _cells(finding: Finding) -> Iterable[Cell]:
    place = finding.place or Place("")
    yield text(place.file or None)
    yield count(place.line)
    yield count(place.column)
    yield mark(finding.level, "bad" if finding.level == "error" else "doubt")
    yield from (text(finding.rule), text(finding.message), text(finding.fix))


def _document(finding: Finding) -> Json:
    place = finding.place or Place("")
    return {
        "rule": finding.rule,
        "level": finding.level,
        "message": finding.message,
        "fix": finding.fix,
        "file": place.file or None,
        "line": place.line,
        "column": place.column,
    }
