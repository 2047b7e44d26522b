"""GitHub's workflow commands: annotations at the scenario's line, at most one per file and ten in all, then what the gate says.

GitHub shows ten of a step and drops the others in silence, so that the tenth says how many there are. Every line that comes from
elsewhere is escaped, and none of ours begins with a name: whatever a workload is called, it commands nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgeroi.annotation import Annotation, Weight, annotated, gravest, speaking
from edgeroi.renderers import Page
from edgeroi.renderers._plain import safe_text
from edgeroi.report import Report

MOST = 10
_COMMANDS: Mapping[Weight, str] = {"fail": "error", "undecided": "error", "warning": "warning", "waived": "notice"}


def render(report: Report, page: Page) -> str:
    """Annotations, the gravest first, and one line for the log; ``page`` does not matter."""
    return "".join(f"{line}\n" for line in _lines(report.document))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    found = speaking(annotated(document))
    files = list(dict.fromkeys(each.file for each in gravest(found)))
    shown = files if len(files) <= MOST else files[: MOST - 1]
    yield from (_annotated([each for each in gravest(found) if each.file == file]) for file in shown)
    if len(files) > len(shown):
        yield f"::warning title=edgeroi::{_data(f'{len(files) - len(shown)} more scenarios have findings; see the job summary')}"
    counts = {weight: sum(each.weight == weight for each in found) for weight in _COMMANDS}
    said = ", ".join(f"{count} {weight}" for weight, count in counts.items() if count) or "nothing to say"
    yield f"edgeroi: gate {safe_text(str(document.get('gate')))}; {said}"


def _annotated(found: Sequence[Annotation]) -> str:
    first, *others = found
    more = f"; and {len(others)} more in this file" if others else ""
    said = first.verdict.replace("_", " ").upper() or first.rule
    place = f"file={_property(first.file)},line={first.line},title={_property(f'edgeroi: {said}')}"
    return f"::{_COMMANDS[first.weight]} {place}::{_data(first.sentence + more)}"


def _data(raw: str) -> str:
    """The message of a command; ``##[`` would be one of the runner's older commands, wherever it stands."""
    return safe_text(raw).replace("##[", "# #[").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(raw: str) -> str:
    return _data(raw).replace(":", "%3A").replace(",", "%2C")
