"""Rejected lines as they are kept: the first few for the report, and all of them in a file of JSON lines.

A line of log is a stranger's text: what is kept of it is cut to 256 bytes and spelled in printable characters.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from edgeroi.logs.format import Fault
from edgeroi.request import Reject

#: How many rejects a report keeps, of one reason and in all.
KEPT_OF_REASON, KEPT = 5, 20


def printable(raw: bytes | str) -> str:
    r"""The text with everything that could act on a terminal spelled out: ``\x1b``, ``\u202e``."""
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    return text if text.isprintable() else "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    return character if character.isprintable() else character.encode("ascii", "backslashreplace").decode()


def reject_line(file: str, line: int, fault: Fault) -> str:
    """A reject as one line of a rejects file."""
    told = {"file": printable(file), "line": line, "reason": fault.reason, "detail": printable(fault.detail), "raw": printable(fault.raw)}
    return json.dumps(told, ensure_ascii=False) + "\n"


@dataclass(slots=True)
class Kept:
    """The first few rejects, a few of each reason so that one common fault does not hide the others."""

    rejects: list[Reject] = field(default_factory=list)
    of_reason: Counter[str] = field(default_factory=Counter)

    def keep(self, file: str, before: int, faults: Iterable[Fault]) -> None:
        """Keep what there is room for; ``before`` lines of the file came before the faults' own line 1."""
        for fault in faults:
            if len(self.rejects) < KEPT and self.of_reason[fault.reason] < KEPT_OF_REASON:
                self.of_reason[fault.reason] += 1
                self.rejects.append(Reject(file, before + fault.line, fault.reason, fault.detail, fault.raw))
