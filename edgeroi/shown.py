"""Results that a notebook shows by themselves: as the command's own tables, and as a picture of the same figures as everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeroi.errors import EdgeroiError

if TYPE_CHECKING:
    from edgeroi.report import Figure, Report


class Pictured:
    """Something that can be drawn."""

    __slots__ = ()

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What can be drawn of it, the same by ``plot()``, by ``--plot`` and on pages; none where nothing is known to draw."""
        return ()

    def plot(self) -> Any:
        """Its ``figures`` as one matplotlib figure (``edgeroi[plot]``). Raises ``EdgeroiError`` where it has none."""
        from edgeroi.renderers._picture import canvas

        figures = self.figures
        if not figures:
            raise EdgeroiError(f"{type(self).__name__} has no picture: nothing is known that could be drawn", fix="see .report")
        return canvas(figures)


class Shown(Pictured):
    """A result with a ``report``; notebooks print it as HTML, in which everything that comes from a log is escaped."""

    __slots__ = ()

    @property
    def report(self) -> Report:
        """What the command of the same name says of it: sections, tables of typed cells, notes, the JSON document."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """The report's tables and sentences, for a notebook."""
        from edgeroi.renderers._fragment import fragment

        return fragment(self.report)
