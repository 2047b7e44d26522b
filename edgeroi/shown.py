"""Results that a notebook shows by themselves: as the command's own tables, and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeroi.report import Report


class Shown:
    """A result with a ``report``; notebooks print it as HTML, in which everything that comes from a log is escaped."""

    __slots__ = ()

    @property
    def report(self) -> Report:
        """What the command of the same name says of it: sections, tables of typed cells, notes, the JSON document."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """The report's tables and sentences, for a notebook."""
        from edgeroi.notebook import fragment

        return fragment(self.report)

    def plot(self) -> Any:
        """A matplotlib figure of it, needs ``edgeroi[plot]``: latencies as distributions, verdicts as net with its interval."""
        from edgeroi.notebook import picture

        return picture(self)
