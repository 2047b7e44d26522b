"""How a report is written: one file per format, each with ``render(report, page) -> str``.

A renderer decides how a typed cell reads; it knows no file and no stream. Whatever comes from a log, a file name or an error
passes through ``plain.safe_text`` or the format's own escaping before it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Literal, Protocol, cast

from edgeroi.report import Report

ColourDepth = Literal["none", "standard", "256", "truecolor"]


@dataclass(frozen=True, slots=True)
class Page:
    """What the text will be read on: ``width`` in columns, ``None`` where lines may be as long as they are."""

    width: int | None = None
    colour: ColourDepth = "none"
    unicode: bool = True


class Renderer(Protocol):
    """A way to write reports."""

    def render(self, report: Report, page: Page) -> str:
        """The report as text, ending in a newline."""
        ...


def renderer(name: str) -> Renderer:
    """The renderer in ``renderers/NAME.py``."""
    return cast(Renderer, import_module(f"edgeroi.renderers.{name}"))
