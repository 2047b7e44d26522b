"""What a command has to say, as values: sections, tables of typed cells, figures, notes, and the JSON document.

A cell holds a value and its kind, never formatted text: a renderer decides how a duration or an amount of money is written.
``None`` is unknown and is shown as such (``-``, ``null``, an empty CSV field), never as 0.
The document is what scripts read; it holds everything the sections show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edgeroi.request import LineCount
    from edgeroi.workload import FileAccount

#: What a JSON document may hold; ``Decimal`` is written as an exact number.
Json = None | bool | int | float | Decimal | str | Sequence["Json"] | Mapping[str, "Json"]

#: How a value is meant: ``text`` verbatim, ``mark`` a judgement in words, ``distribution`` counts per bin to be drawn,
#: ``span`` a bar from one share of the cell's width to another, with a mark on it.
CellKind = Literal["text", "mark", "count", "number", "ms", "usd", "usd_signed", "ratio", "distribution", "span"]

#: How a reader should take it; renderers choose the colour and, for marks, the sign.
Tone = Literal["plain", "good", "bad", "doubt", "quiet"]

CellValue = None | bool | int | float | Decimal | str | tuple[float, ...]

#: The version of every JSON document; raised when a key changes its meaning or goes away.
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a table: its kind, the ends of its interval where it has one, and whether it may be relied on.

    ``ms`` in milliseconds, ``usd`` in USD, ``ratio`` as a share of 1. ``estimable`` is false where the sample is too
    small for the interval: the value is then marked, and no rule may rest on it.
    """

    value: CellValue
    kind: CellKind = "text"
    low: float | Decimal | None = None
    high: float | Decimal | None = None
    estimable: bool = True
    tone: Tone = "plain"


def text(value: str | None, tone: Tone = "plain") -> Cell:
    """Words, verbatim."""
    return Cell(value, "text", tone=tone)


def mark(value: str, tone: Tone) -> Cell:
    """A judgement in words, with a sign and a colour by tone."""
    return Cell(value, "mark", tone=tone)


def count(value: int | None) -> Cell:
    """A whole number of things."""
    return Cell(value, "count")


def ms(value: float | None, low: float | None = None, high: float | None = None, *, estimable: bool = True) -> Cell:
    """A duration in ms, with the ends of its interval."""
    return Cell(value, "ms", low, high, estimable)


def usd(value: float | Decimal | None, low: float | Decimal | None = None, high: float | Decimal | None = None) -> Cell:
    """Money in USD, with the ends of its range."""
    return Cell(value, "usd", low, high)


def usd_signed(value: float | Decimal | None, low: float | Decimal | None = None, high: float | Decimal | None = None) -> Cell:
    """A difference of money in USD, written with its sign."""
    return Cell(value, "usd_signed", low, high)


def ratio(value: float | None, low: float | None = None, high: float | None = None) -> Cell:
    """A share of 1, written in per cent."""
    return Cell(value, "ratio", low, high)


def span(start: float, end: float, mark: float | None = None) -> Cell:
    """A bar to be drawn between two shares of the cell's width, 0 to 1, with a mark at a third."""
    return Cell((start, end) if mark is None else (start, end, mark), "span")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``key`` names it in CSV, ``title`` for people.

    ``interval``: its cells carry ``low``, ``high`` and ``estimable``, which CSV writes as columns of their own.
    ``rank``: how soon a narrow terminal leaves it out; 0 never. A column of another rank is also left out where nothing in it is known.
    ``in_words``: people read it in the row's detail, so that only CSV has it as a column.
    """

    key: str
    title: str
    kind: CellKind = "text"
    interval: bool = False
    rank: int = 0
    in_words: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table; ``detail`` is said in a line of its own below it."""

    cells: tuple[Cell, ...]
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of typed cells; ``caption`` explains below what the table itself cannot, a line each.

    ``folded``: to be shown when asked for, where the medium can do that.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    caption: tuple[str, ...] = ()
    name: str = "table"
    folded: bool = False

    def __post_init__(self) -> None:
        """A row holds one cell per column."""
        if any(len(row.cells) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.name!r}: a row does not have {len(self.columns)} cells")

    def without(self, place: int) -> Table:
        """The table less one column."""
        rows = tuple(replace(row, cells=row.cells[:place] + row.cells[place + 1 :]) for row in self.rows)
        return replace(self, columns=self.columns[:place] + self.columns[place + 1 :], rows=rows)

    def for_people(self) -> Table:
        """The table less what its rows say in words, and less columns that may be left out and in which nothing is known."""
        for place in reversed(range(len(self.columns))):
            column = self.columns[place]
            if column.in_words or (column.rank and all(row.cells[place].value is None for row in self.rows)):
                self = self.without(place)
        return self


@dataclass(frozen=True)
class Text:
    """Sentences, a line each. ``folded``: to be shown when asked for, where the medium can do that."""

    lines: tuple[str, ...]
    title: str = ""
    tone: Tone = "plain"
    folded: bool = False


@dataclass(frozen=True)
class Node:
    """A question or a fact, with what follows from it; ``evidence`` is the numbers it rests on."""

    label: str
    evidence: str = ""
    children: tuple[Node, ...] = ()
    tone: Tone = "plain"


@dataclass(frozen=True)
class Tree:
    """A decision path."""

    root: Node
    title: str = ""


#: ``curves`` are lines, ``steps`` hold each y until the next x; ``stacks`` are bars made of parts, ``columns`` the same upright, in the
#: order of their labels; ``ranges`` go from a start to an end, ``intervals`` too, with a point between.
FigureKind = Literal["curves", "steps", "stacks", "columns", "ranges", "intervals"]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis measures: how its numbers are written, and whether it is logarithmic."""

    title: str
    kind: CellKind = "number"
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """Points ``x``, ``y`` of one length, with the ends of their intervals: of y, or of x where ``across``; NaN where one is not known."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    across: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar on the line ``label``, from ``start`` to ``end``; of a stack ``part`` names the piece.

    Of an interval ``at`` is the number it is of, ``None`` where only a bound is known; an end that nothing supports is NaN, and is drawn to
    the edge. There ``part`` and ``tone`` say what is thought of it.
    """

    label: str
    start: float
    end: float
    part: str = ""
    at: float | None = None
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the figure at one place of its x axis."""

    at: float
    name: str


@dataclass(frozen=True, slots=True)
class Spot:
    """A point with a name, upon the curves; ``chosen``: the one that is meant before all others."""

    x: float
    y: float
    name: str
    chosen: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture, drawn where pictures can be: ``table`` tells the same to those who read it, and stands behind it."""

    kind: FigureKind
    title: str
    x: Axis
    y: Axis
    table: Table
    curves: tuple[Curve, ...] = ()
    bars: tuple[Bar, ...] = ()
    marks: tuple[Mark, ...] = ()
    spots: tuple[Spot, ...] = ()
    name: str = "figure"


@dataclass(frozen=True)
class WhatIf:
    """Numbers that a reader may move, with all it takes to say what becomes of the answer: ``model`` is values only."""

    title: str
    model: Mapping[str, Json]


Section = Table | Text | Tree | Figure | WhatIf


class Deferred(Mapping[str, Json]):
    """A document that is made when its first key is asked for: a table for people never asks."""

    def __init__(self, made: Callable[[], Mapping[str, Json]]) -> None:
        self._made = made

    @cached_property
    def _document(self) -> Mapping[str, Json]:
        return self._made()

    def __getitem__(self, key: str) -> Json:
        return self._document[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)


@dataclass(frozen=True)
class Report:
    """What one command says: ``sections`` for people in reading order, ``document`` for scripts.

    ``notes`` are asides (what was assumed, what was left out): to stderr beside a table, and into the document.
    """

    command: str
    document: Mapping[str, Json]
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """The sections that are tables."""
        return tuple(section for section in self.sections if isinstance(section, Table))

    @property
    def in_words(self) -> tuple[Table | Text | Tree, ...]:
        """The sections that text can hold: figures and what can be moved are left to pages."""
        return tuple(section for section in self.sections if isinstance(section, Table | Text | Tree))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The sections that are pictures."""
        return tuple(section for section in self.sections if isinstance(section, Figure))


def envelope(
    command: str,
    version: str,
    *,
    files: Sequence[Json] = (),
    notes: Sequence[str] = (),
    seed: int | None = None,
    interval_level: float | None = 0.95,
    prices_as_of: str | None = None,
) -> dict[str, Json]:
    """The keys every document has; ``prices_as_of`` is an ISO date, ``seed`` is null where nothing was drawn."""
    return {
        "schema_version": SCHEMA_VERSION,
        "edgeroi_version": version,
        "command": command,
        "seed": seed,
        "interval_level": interval_level,
        "prices_as_of": prices_as_of,
        "files": list(files),
        "notes": list(notes),
    }


def lines_document(lines: LineCount) -> Mapping[str, Json]:
    """Where every line went."""
    return {
        "read": lines.read,
        "blank": lines.blank,
        "profiled": lines.profiled,
        "rejected": dict(lines.rejected),
        "skipped": dict(lines.skipped),
        "balanced": lines.balanced,
    }


def file_document(file: FileAccount) -> Mapping[str, Json]:
    """One input as every document tells of it: what it was taken for, and where each of its lines went."""
    return {
        "path": file.path,
        "bytes": file.bytes,
        "digest": file.digest,
        "format": file.format,
        "unit": file.unit,
        "counted": file.counted,
        "damage": file.damage,
        "notes": list(file.notes),
        "lines": lines_document(file.lines),
    }
