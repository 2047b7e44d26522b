"""What only a gate in a pull request needs: a former result, further outputs, paths as the code host knows them, GitHub's summary."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeroi.errors import EdgeroiError, OutputFailed, Place, did_you_mean
from edgeroi.report import SCHEMA_VERSION, Report

if TYPE_CHECKING:
    from edgeroi.gate import Finding
    from edgeroi.verdict_report import Verdicts


class CheckFormat(StrEnum):
    """The ways a gate's report can be written: those of every report, and those that only a gate has."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"
    html = "html"
    junit = "junit"
    sarif = "sarif"
    github = "github"
    gitlab = "gitlab"


#: Formats that other programs show beside the files of a repository, and so know them by their paths in it.
_OF_A_HOST = (CheckFormat.markdown, CheckFormat.junit, CheckFormat.sarif, CheckFormat.github, CheckFormat.gitlab)
#: GitHub drops a step's summary that is larger.
_SUMMARY_BYTES = 1 << 20


def outputs_of(also: Sequence[str] | None) -> tuple[tuple[CheckFormat, Path], ...]:
    """``--also FORMAT=FILE`` as formats and files, each file once."""
    found: dict[Path, CheckFormat] = {}
    for given in also or ():
        name, _, file = given.partition("=")
        if name not in CheckFormat.__members__ or not file:
            fix = did_you_mean(name, CheckFormat.__members__) if file else "write FORMAT=FILE, like sarif=edgeroi.sarif"
            raise EdgeroiError(f"{given!r} names no format and file", key="--also", fix=fix)
        if Path(file) in found:
            raise EdgeroiError(f"{file} is named twice", key="--also", fix="name another file")
        found[Path(file)] = CheckFormat(name)
    return tuple((form, file) for file, form in found.items())


def report_for(verdicts: Verdicts, form: CheckFormat) -> Report:
    """What is said in a format: a comment in Markdown, the whole report elsewhere; with paths from the root of the repository."""
    from edgeroi.cli.compare import report_for as plain_report_for
    from edgeroi.comment_report import comment_report
    from edgeroi.verdict_report import verdict_report

    if form not in _OF_A_HOST:
        return plain_report_for(verdicts, form)
    told = in_repository(verdicts, Path.cwd())
    return comment_report(told) if form is CheckFormat.markdown else verdict_report(told)


def in_repository(verdicts: Verdicts, here: Path) -> Verdicts:
    """The same with every path relative to the repository's root, as code hosts want it; a file outside keeps its own."""
    root = _root_of(here)

    def moved(findings: Sequence[Finding]) -> tuple[Finding, ...]:
        return tuple(replace(f, place=replace(f.place, file=_within(f.place.file, here, root))) if f.place else f for f in findings)

    scenarios = tuple(replace(each, file=_within(each.file, here, root), findings=moved(each.findings)) for each in verdicts.scenarios)
    return replace(verdicts, scenarios=scenarios, findings=moved(verdicts.findings))


def _root_of(here: Path) -> Path:
    """The nearest folder that holds ``.git``, a folder or a file (of a worktree); where there is none, the folder we are in."""
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def _within(file: str, here: Path, root: Path) -> str:
    with suppress(ValueError):
        return Path(os.path.normpath(here / file)).relative_to(root).as_posix()
    return file


def baseline_of(file: Path | None) -> Mapping[str, Any] | None:
    """A former ``check --format json``. Raises ``EdgeroiError`` for anything else."""
    if file is None:
        return None
    place, fix = Place(str(file)), "write one with `edgeroi check SCENARIO... --format json --output FILE` on the base branch"
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise EdgeroiError(f"cannot be read: {error.strerror or error}", place=place, key="--baseline", fix=fix) from None
    except (ValueError, RecursionError) as error:
        raise EdgeroiError(f"not JSON: {error}", place=place, key="--baseline", fix=fix) from None
    if not isinstance(document, dict) or document.get("command") != "check":
        raise EdgeroiError("not the document of a check", place=place, key="--baseline", fix=fix)
    if document.get("schema_version") != SCHEMA_VERSION:
        said = f"schema version {document.get('schema_version')!r}, and {SCHEMA_VERSION} is read here"
        raise EdgeroiError(said, place=place, key="--baseline", fix="write it with the same version of edgeroi")
    return document


def since_of(verdicts: Verdicts, base: Mapping[str, Any] | None, file: Path | None, min_change: str | None) -> Verdicts:
    """The verdicts with what changed against the baseline, in paths of the repository as the baseline's were written from its root."""
    from edgeroi.difference import MIN_CHANGE_USD, difference
    from edgeroi.verdict_report import verdict_document

    least = MIN_CHANGE_USD if min_change is None else _amount(min_change)
    if base is None:
        if min_change is not None:
            raise EdgeroiError("nothing to compare with", key="--min-change", fix="add --baseline FILE")
        return verdicts
    try:
        return replace(verdicts, since=difference(_rooted(base), verdict_document(in_repository(verdicts, Path.cwd())), least))
    except (KeyError, TypeError, AttributeError, ValueError):
        said = "not a whole document of a check"
        raise EdgeroiError(said, place=Place(str(file)), key="--baseline", fix="write it again, whole, with this edgeroi") from None


def _rooted(base: Mapping[str, Any]) -> Mapping[str, Any]:
    """The baseline with its paths relative to the root of the repository they stand in, where that can be told."""

    def moved(file: str) -> str:
        folder = Path(file).parent
        return _within(file, Path.cwd(), _root_of(folder if folder.is_absolute() else Path.cwd()))

    def placed(checks: Any) -> list[Any]:
        return [{**check, "file": moved(check["file"]) if check["file"] else None} for check in checks]

    scenarios = [{**each, "file": moved(each["file"]), "checks": placed(each.get("checks", ()))} for each in base["scenarios"]]
    return {**base, "scenarios": scenarios, "checks": placed(base.get("checks", ()))}


def _amount(text: str) -> float:
    from edgeroi.units import MONTHLY, read_range

    try:
        found = read_range(text, MONTHLY)
    except EdgeroiError as error:
        error.key = "--min-change"
        raise EdgeroiError(error.message, key="--min-change", fix=error.fix or "write it like `10 USD/month`") from None
    if not found.is_point or found.likely < 0:
        raise EdgeroiError(f"{text!r} is not one amount", key="--min-change", fix="write it like `10 USD/month`")
    return found.likely


def add_summary(verdicts: Verdicts, environ: Mapping[str, str]) -> None:
    """The comment, added to the job's summary where ``GITHUB_STEP_SUMMARY`` names one; a line instead where it would be too long."""
    from edgeroi.renderers import Page, renderer
    from edgeroi.verdict_report import gate_words

    file = environ.get("GITHUB_STEP_SUMMARY")
    if not file:
        return
    said = renderer("markdown").render(report_for(verdicts, CheckFormat.markdown), Page()).encode()
    path = Path(file)
    try:
        if len(said) + (path.stat().st_size if path.exists() else 0) > _SUMMARY_BYTES:
            said = f"edgeroi · {gate_words(verdicts)}; the summary is full\n".encode()
        with path.open("ab") as opened:
            opened.write(said)
    except OSError as error:
        raise OutputFailed(f"cannot write {path}: {error.strerror or error}") from error
