"""Reports as values: typed cells, tables that hold together, the keys every document has."""

from __future__ import annotations

import dataclasses

import pytest

from edgeroi.report import (
    SCHEMA_VERSION,
    Cell,
    Column,
    Deferred,
    Json,
    Report,
    Row,
    Table,
    Text,
    count,
    envelope,
    mark,
    ms,
    ratio,
    text,
    usd,
    usd_signed,
)

COLUMNS = (Column("a", "A"), Column("b", "B", "ms", rank=2), Column("c", "C", "ms", rank=1), Column("d", "D", "ms", in_words=True))


def table(*rows: tuple[object, ...]) -> Table:
    return Table(COLUMNS, tuple(Row(tuple(Cell(value) for value in row)) for row in rows))


def test_a_cell_keeps_what_it_is_given_and_says_nothing_of_its_own() -> None:
    assert ms(65.9, 64.1, 68.0) == Cell(65.9, "ms", 64.1, 68.0, True, "plain")
    assert ms(None).value is None
    assert [c.kind for c in (text("x"), mark("x", "bad"), count(1), usd(1), usd_signed(1), ratio(1.0))] == [
        "text", "mark", "count", "usd", "usd_signed", "ratio",
    ]  # fmt: skip


def test_cells_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ms(1.0).value = 2.0  # type: ignore[misc]


def test_a_row_has_a_cell_for_every_column() -> None:
    with pytest.raises(ValueError, match="does not have 4 cells"):
        table(("x", 1.0, 2.0))


def test_people_are_spared_what_is_said_in_words_and_what_nobody_knows() -> None:
    shown = table(("x", None, 2.0, 9.0), ("y", None, None, 9.0)).for_people()
    assert [column.key for column in shown.columns] == ["a", "c"]
    assert [[cell.value for cell in row.cells] for row in shown.rows] == [["x", 2.0], ["y", None]]


def test_a_column_of_rank_0_stays_even_where_nothing_is_known() -> None:
    assert [column.key for column in table((None, 1.0, 2.0, 3.0)).for_people().columns] == ["a", "b", "c"]


def test_every_document_has_the_same_first_keys() -> None:
    said = envelope("profile", "1.2.3", notes=("a",))
    assert said == {
        "schema_version": SCHEMA_VERSION, "edgeroi_version": "1.2.3", "command": "profile", "seed": None,
        "interval_level": 0.95, "prices_as_of": None, "files": [], "notes": ["a"],
    }  # fmt: skip


def test_a_report_finds_its_tables() -> None:
    one = table()
    assert Report("x", {}, (Text(("hello",)), one)).tables == (one,)


def test_a_deferred_document_is_made_when_it_is_asked_for_and_once() -> None:
    made: list[str] = []

    def document() -> dict[str, Json]:
        made.append("made")
        return {"a": 1, "b": [2]}

    report = Report("x", Deferred(document), (Text(("hello",)),))
    assert report.tables == ()
    assert not made
    assert dict(report.document) == {"a": 1, "b": [2]}
    assert len(report.document) == 2
    assert made == ["made"]
