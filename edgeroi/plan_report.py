"""What ``ab-plan`` says: the requests, units and days that each number takes, and the JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeroi.report import Cell, Column, Json, Report, Row, Table, Text, count, envelope, file_document, ratio, text
from edgeroi.sample_sizes import Size, Wanted
from edgeroi.shown import Shown
from edgeroi.workload import FileAccount

if TYPE_CHECKING:
    import pandas as pd

#: Days of a week differ, so an experiment takes whole ones.
_WEEK = 7


@dataclass(frozen=True)
class ExperimentPlan(Shown):
    """What an experiment takes, number by number, read from the log of what is there today."""

    wanted: Wanted
    unit: str | None
    sizes: tuple[Size, ...]
    files: tuple[FileAccount, ...]
    notes: tuple[str, ...]
    version: str

    def size(self, metric: str, workload: str | None = None) -> Size:
        """What one number takes; raises ``KeyError`` where the log does not tell it."""
        found = next((size for size in self.sizes if size.metric.name == metric and workload in (None, size.workload)), None)
        if found is None:
            raise KeyError(metric)
        return found

    def __repr__(self) -> str:
        """What was planned for."""
        return f"<ExperimentPlan: {', '.join(f'{size.workload} {size.metric.name}' for size in self.sizes)}>"

    @property
    def report(self) -> Report:
        """What ``edgeroi ab-plan`` says."""
        return plan_report(self)

    @property
    def document(self) -> Mapping[str, Json]:
        """What ``--format json`` prints."""
        return plan_document(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per workload and number; unknown is missing."""
        import pandas as pd

        return pd.DataFrame([_size_document(size) for size in self.sizes]).convert_dtypes()


def plan_report(plan: ExperimentPlan) -> Report:
    """The report of ``ab-plan``."""
    table = Table(tuple(_columns(plan)), tuple(_row(size, plan) for size in plan.sizes), name="ab-plan", caption=tuple(_caption(plan)))
    return Report("ab-plan", plan.document, (Text(tuple(_headlines(plan))), table), plan.notes)


def _headlines(plan: ExperimentPlan) -> Iterator[str]:
    for workload in dict.fromkeys(size.workload for size in plan.sizes):
        told = [size for size in plan.sizes if size.workload == workload and size.days is not None]
        for size in told[:1]:
            weeks = -(-(size.days or 0) // _WEEK)
            yield (
                f"{workload}: {size.metric.title} {_change(plan.wanted)} takes {size.requests:,} requests of each arm, "
                f"{size.days:,} days at this rate: run {weeks} whole week{'s' if weeks > 1 else ''}"
            )


def _change(wanted: Wanted) -> str:
    return f"{100 * wanted.change:+.3g}%"


def _columns(plan: ExperimentPlan) -> Iterator[Column]:
    yield from (Column("workload", "workload"), Column("metric", ""), Column("today", "today", "number"), Column("then", "then", "number"))
    yield Column("requests", "requests of each arm", "count")
    yield Column("units", f"{plan.unit or 'unit'}s", "count", rank=1)
    yield from (
        Column("days", "days", "count"),
        Column("design", "design effect", "number", rank=2),
        Column("icc", "ICC", "number", rank=3),
    )
    yield Column("why", "", rank=4)


def _row(size: Size, plan: ExperimentPlan) -> Row:
    yields = (
        text(size.workload),
        text(size.metric.title),
        *(ratio(share) if size.metric.kind == "ratio" else Cell(share, size.metric.kind) for share in (size.today, size.then)),
        *(count(n) for n in (size.requests, size.units, size.days)),
        *(Cell(None if plan.unit is None or size.requests is None else x, "number") for x in (size.design, size.icc)),
        text(size.why or None),
    )
    return Row(yields)


def _caption(plan: ExperimentPlan) -> Iterator[str]:
    wanted = plan.wanted
    yield f"{_change(wanted)} found in {wanted.power:.0%} of the experiments at {wanted.level:.0%}, each number by itself; two equal arms"
    if wanted.margin is not None:
        yield f"quality: that no more than {wanted.margin:g} is lost, where nothing is"
    if plan.unit is None:
        yield "requests are taken to be independent; --unit user_id reckons with users who ask more than once"
    else:
        yield f"design effect: so many requests do the work of one, as those of one {plan.unit} go together (ICC)"
    yield "days: both arms at the log's own rate; days of a week differ, so take whole weeks"


def plan_document(plan: ExperimentPlan) -> Mapping[str, Json]:
    """The document of ``ab-plan``."""
    wanted = plan.wanted
    files = [file_document(file) for file in plan.files]
    return {
        **envelope("ab-plan", plan.version, files=files, notes=plan.notes, interval_level=wanted.level),
        "effect": wanted.change,
        "power": wanted.power,
        "deadline_ms": wanted.deadline_ms,
        "margin": wanted.margin,
        "unit": plan.unit,
        "sizes": [_size_document(size) for size in plan.sizes],
    }


def _size_document(size: Size) -> Mapping[str, Json]:
    return {
        "workload": size.workload,
        "metric": size.metric.name,
        "unit": "USD/1,000 requests" if size.metric.kind == "usd" else size.metric.kind,
        "today": size.today,
        "then": size.then,
        "requests_per_arm": size.requests,
        "units_per_arm": size.units,
        "days": size.days,
        "design_effect": size.design,
        "icc": size.icc,
        "why": size.why or None,
    }
