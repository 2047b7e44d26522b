"""What can go wrong, each with the exit code it ends in.

Only the shell turns one of these into a message and an exit status; the core raises them.

======================  ====  =============================================
``EdgeroiError``           2  usage, scenario or input: the user can fix it
``NoAnswer``               3  an answer was asked for and there is none
``InternalFault``         70  the accounting does not balance: a bug here
``OutputFailed``          74  the result could not be written
======================  ====  =============================================
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's files something stands; ``line`` and ``column`` count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """``scenario.yaml:14:7``, as editors and CI annotate it."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


class EdgeroiError(Exception):
    """A mistake the user can fix: says where, what was expected and how to mend it."""

    exit_code = 2

    def __init__(self, message: str, *, place: Place | None = None, key: str | None = None, fix: str | None = None) -> None:
        self.message, self.place, self.key, self.fix = message, place, key, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        """``FILE:LINE:COLUMN KEY: MESSAGE; FIX`` with the parts that are known."""
        place = str(self.place) if self.place else ""
        key = "" if self.key is None or place.endswith(f" {self.key}") else self.key  # a place like `--set KEY` names it already
        where = " ".join(part for part in (place, key) if part)
        said = f"{self.message}; {self.fix}" if self.fix else self.message
        return f"{where}: {said}" if where else said


class NoAnswer(EdgeroiError):
    """No verdict can be given where one was asked for: data or a price is missing."""

    exit_code = 3


class InternalFault(Exception):
    """A guarantee of edgeroi's own is broken; never the user's mistake."""

    exit_code = 70


class OutputFailed(EdgeroiError):
    """A result could not be written."""

    exit_code = 74


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or ``None``."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'waiting'?`` or the list of what is known, whichever helps more."""
    words = list(known)
    near = near_miss(word, words)
    return f"did you mean {near!r}?" if near else f"known: {', '.join(words)}"
