"""Cuts bytes into pieces of whole lines, so that any way of cutting owns every line once.

A range of a file owns the lines that start in it: it skips the line that started before, and reads on to the end of its last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from edgeroi import compiled
from edgeroi.logs.format import RAW_BYTES
from edgeroi.logs.lines import LONGEST_LINE

#: About how much is decoded at a time: little enough for the processor's cache, and enough not to wait for what each piece costs.
PIECE_BYTES = 1 << 21
_TAIL_BYTES = 1 << 16
_NEWLINE = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines; only the last of a file may lack its newline. ``too_long``: the start of one line, whatever came after."""

    data: bytes
    last: bool = False
    too_long: bool = False


def newlines(text: bytes) -> int:
    """How many newlines; where they are many, several times faster than ``count``."""
    if compiled.part is not None:
        return int(compiled.part.newlines(text))
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == _NEWLINE))


def without_cr(text: bytes) -> bytes:
    """Complete lines that all end in CR LF, without the CR; any others as they are."""
    return text.replace(b"\r\n", b"\n") if text[-2:] == b"\r\n" and text.count(b"\r\n") == newlines(text) else text


@dataclass(slots=True)
class NewlineCount:
    """Counts lines without parsing: newlines, and a last line that has none."""

    newlines: int = 0
    ends_open: bool = False

    def see(self, block: bytes) -> None:
        """Count a block; blocks come in order."""
        self.newlines += newlines(block)
        self.ends_open = not block.endswith(b"\n")


def pieces(
    read: Callable[[int], bytes],
    see: Callable[[bytes], None],
    *,
    start: int = 0,
    end: float = math.inf,
    inside_line: bool = False,
    piece_bytes: int = PIECE_BYTES,
) -> Iterator[Piece]:
    """The lines that start in ``[start, end)``. ``read`` goes on from ``start``; ``see`` is shown every block of the range itself.

    ``inside_line``: the byte before ``start`` is no newline, so a line of somebody else's comes first.
    """
    offset, carry, skipping = start, b"", inside_line
    while offset < end or carry:
        block = read(int(min(piece_bytes, end - offset)) if offset < end else _TAIL_BYTES)
        if not block:
            if carry:
                yield Piece(carry, last=True)
            return
        if offset < end:
            see(block)
        beyond = offset >= end
        offset += len(block)
        if skipping:
            _, newline, block = block.partition(b"\n")
            skipping = not newline
        cut = (block.find(b"\n") if beyond else block.rfind(b"\n")) + 1
        if cut:
            yield Piece(b"".join((carry, memoryview(block)[:cut])))
            carry = b"" if beyond else block[cut:]
        elif not skipping:
            carry += block
        if len(carry) > LONGEST_LINE:
            yield Piece(carry[:RAW_BYTES], too_long=True)
            carry, skipping = b"", True
