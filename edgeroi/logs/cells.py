"""Rows of a table whose columns a format knows: each as a record of its cells by name, judged by the format's own function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeroi.logs.columns import Row
from edgeroi.logs.delimited import Cells, Judge, Judging, source_of, typed
from edgeroi.logs.objects import give, settled
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake, Skip
from edgeroi.request import COLUMNS

#: Turns the cells of one row into canonical values, or says why it is no request.
Canonical = Callable[[Mapping[str, str]], dict[str, Any] | Bad | Skip]


def judging(canonical: Canonical, reading: Reading) -> Judging:
    """The judge of a table by its header; what the user maps is a column of the table and overrides what the format knows."""

    def of_names(names: tuple[str, ...]) -> Judge:
        mapped = {column: names.index(source_of(column, reading)) for column in reading.fields if source_of(column, reading) in names}

        def judge(intake: Intake, cells: Sequence[Cells], rows: Sequence[Row]) -> None:
            for record, row in zip(cells, rows, strict=True):
                values = canonical(dict(zip(names, record, strict=True)))
                said = {column: typed(COLUMNS[column], record[place]) for column, place in mapped.items()}
                give(intake, settled(values | dict.fromkeys(reading.fields) | said, reading) if isinstance(values, dict) else values, row)

        return judge

    return of_names
