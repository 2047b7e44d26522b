"""A container's log as Kubernetes keeps it (the Container Runtime Interface): ``2026-11-09T10:00:00.1Z stdout F `` before each line.

What is behind the prefix is a log in any format of lines, found as it would be without it. The container runtime cuts a long line into
parts (``P``, the last one ``F``): they are joined again, and the parts before the last are accounted for as skipped (other_record). A
line whose last part never comes is rejected. Of the two streams the log is ``stdout``, or ``stderr`` where only that is one; lines of
the other are skipped (other_record). Read front to back, since a line's parts may lie anywhere; kubelet rotates files at 10 MB.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import BinaryIO, Final

from edgeroi.errors import InternalFault
from edgeroi.logs.delimited import with_last
from edgeroi.logs.format import RAW_BYTES, Chunk, Claim, Counted, Fault, Head, LineFormat, StreamFormat, formats
from edgeroi.logs.jsonl import FORMAT as JSON_LINES
from edgeroi.logs.lines import BOM, LONGEST_LINE
from edgeroi.logs.pieces import NewlineCount, newlines, pieces
from edgeroi.logs.reading import Reading
from edgeroi.logs.stream import Damage, damage_of
from edgeroi.request import LineCount

_PREFIX = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) (stdout|stderr) ([PF])(?::\S*)? ?")
_STREAMS: Final = (b"stdout", b"stderr")
_FULL: Final = b"F"


def _claimed(format: LineFormat | StreamFormat, reader: LineFormat, claim: Claim, stream: bytes) -> Claim:
    unit, name = claim.unit or format.unit, f"cri {claim.format or format.name}"
    return Claim(True, f"{stream.decode()} lines of a container: {claim.why}", unit, name, reader=Cri(reader, stream))


@lru_cache(maxsize=2)
def _plain_prefix(stream: bytes) -> re.Pattern[bytes]:
    """The prefix of a whole line of one stream."""
    return re.compile(rb"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) " + stream + rb" F ")


def _claims(head: Head, reading: Reading) -> dict[str, tuple[LineFormat | StreamFormat, Claim]]:
    """The formats that claim what is behind the prefix, by name."""
    tried = {name: format for name, format in formats().items() if name != Cri.name and not format.hidden}
    claims = {name: (format, format.claim(head, reading)) for name, format in tried.items()}
    return {name: (format, claim) for name, (format, claim) in claims.items() if claim.claimed}


def _inside(head: Head, stream: bytes) -> Head:
    """The head without its prefixes: the lines of one stream, joined from their parts."""
    joined = _Joined(stream)
    for number, line in enumerate(head.lines(), 1):
        joined.take(number, line)
    return Head(b"".join(line + b"\n" for line in joined.lines), head.name, head.whole)


@dataclass
class _Joined:
    """Physical lines, from 1, as lines of one stream: each with the physical line it ends on; ``pending`` parts wait for their last."""

    stream: bytes
    lines: list[bytes] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    blank: int = 0
    others: int = 0
    elsewhere: bool = False
    bad: list[Fault] = field(default_factory=list)

    def take(self, number: int, line: bytes) -> None:
        """Put a physical line where it belongs."""
        found = _PREFIX.match(line)
        if not line.strip(b" \t\r"):
            self.blank += 1
        elif found is None:
            self.bad.append(Fault(number, "ragged", "the line has no prefix of a container's log", line[:RAW_BYTES]))
        elif found[1] != self.stream:
            self.others += 1
            self.elsewhere = True
        elif found[2] != _FULL:
            self.pending.append((number, line[found.end() :]))
        else:
            self.others += len(self.pending)
            self.lines.append(b"".join(part for _, part in self.pending) + line[found.end() :])
            self.places.append(number)
            self.pending = []

    def give_up(self, reason: str, detail: str) -> None:
        """Reject the parts that wait."""
        self.bad += [Fault(number, reason, detail, part[:RAW_BYTES]) for number, part in self.pending]
        self.pending = []


class Cri:
    """Reads a container's log by the format behind its prefix; a claim names the one that a file is in."""

    name = "cri"
    unit = "as the format behind the prefix"
    counted: Counted = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "what the format behind the prefix does not; lines of the container's other stream"
    fields: Mapping[str, str] = {}

    def __init__(self, inner: LineFormat, stream: bytes = b"stdout") -> None:
        self.inner, self.stream = inner, stream

    def claim(self, head: Head, reading: Reading) -> Claim:
        """Lines with the prefix, and exactly one format that claims what is behind it."""
        if not any(map(_PREFIX.match, head.lines())):
            return Claim(False, "no line begins with a time, a stream and F or P")
        why = ""
        for stream in _STREAMS:
            inner = _inside(head, stream)
            claims = _claims(inner, reading) if inner.data else {}
            if len(claims) == 1:
                format, claim = next(iter(claims.values()))
                reader = claim.reader or format
                if isinstance(reader, LineFormat):
                    return _claimed(format, reader, claim, stream)
                why = why or f"behind the prefix is {format.name}, which is not read line by line"
            several = f"could be any of {', '.join(claims)}" if claims else None
            why = why or several or "no format claims what is behind the prefix"
        return Claim(False, why)

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all lines, a chunk for each block; one whose last part is not in the block waits for the next, with all behind it."""
        count, waiting, first, told = NewlineCount(), b"", True, 0
        for piece, last in with_last(pieces(stream.read, count.see)):
            data = waiting + (piece.data.removeprefix(BOM) if first else piece.data)
            waiting, first = b"", False
            if piece.too_long:
                detail = f"the line is longer than {LONGEST_LINE >> 20} MiB"
                chunk = Chunk(LineCount(1, rejected={"line_too_long": 1}), faults=(Fault(1, "line_too_long", detail, data),))
            else:
                chunk, waiting = self._chunk(data, reading, last)
            if last and (cut := damage_of(stream)) is not None:
                chunk = broken_off(chunk, cut)
            told += chunk.lines.read
            yield chunk
        if told != count.newlines + count.ends_open:
            raise InternalFault(f"{told} lines read, {count.newlines + count.ends_open} in the file")

    def _chunk(self, data: bytes, reading: Reading, last: bool) -> tuple[Chunk, bytes]:
        """The chunk of whole lines, and what has to wait."""
        plain, prefixes = _plain_prefix(self.stream).subn(b"", data)
        n = newlines(data)
        if prefixes == n and data.endswith(b"\n"):
            return self.inner.read_lines(plain, reading, False), b""
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        joined = self._joined(lines)
        if joined.pending and not last and len(data) <= LONGEST_LINE:
            ready = joined.pending[0][0] - 1
            rest = b"".join(line + b"\n" for line in lines[ready:])
            lines = lines[:ready]
            joined = self._joined(lines)
            return self._accounted(joined, len(lines), reading, True), rest
        if joined.pending:
            reason = "truncated_tail" if last else "line_too_long"
            joined.give_up(reason, "the last part of this line never came" if last else f"a line of more than {LONGEST_LINE >> 20} MiB")
        return self._accounted(joined, len(lines), reading, data.endswith(b"\n")), b""

    def _joined(self, lines: list[bytes]) -> _Joined:
        joined = _Joined(self.stream)
        for number, line in enumerate(lines, 1):
            joined.take(number, line)
        return joined

    def _accounted(self, joined: _Joined, read: int, reading: Reading, ended: bool) -> Chunk:
        """What the lines tell, accounted for in physical lines."""
        open_end = not ended and bool(joined.places) and joined.places[-1] == read
        text = b"\n".join(joined.lines) + (b"" if open_end or not joined.lines else b"\n")
        inner = self.inner.read_lines(text, reading, open_end)
        bad = joined.bad
        if not ended and bad and bad[-1].line == read and bad[-1].reason == "ragged":
            bad[-1] = replace(bad[-1], reason="truncated_tail", detail="the last line has no newline and is cut")
        faults = [*bad, *(replace(fault, line=joined.places[fault.line - 1]) for fault in inner.faults)]
        rejected = Counter(inner.lines.rejected) + Counter(fault.reason for fault in bad)
        skipped = Counter(inner.lines.skipped) + Counter(other_record=joined.others)
        lines = LineCount(
            read, inner.lines.blank + joined.blank, inner.lines.profiled, dict(sorted(rejected.items())), dict(sorted(skipped.items()))
        )
        notes = (*inner.notes, "lines of the container's other stream are no part of the log") if joined.elsewhere else inner.notes
        return replace(inner, lines=lines, faults=tuple(sorted(faults, key=lambda fault: fault.line)), notes=notes)


def broken_off(chunk: Chunk, cut: Damage) -> Chunk:
    """The chunk that a damaged stream ends in: its cut line is told by what is wrong with the stream."""
    faults = tuple(
        replace(fault, reason=cut.reason, detail="the stream ends inside this line") if fault.reason == "truncated_tail" else fault
        for fault in chunk.faults
    )
    rejected = Counter(fault.reason for fault in faults)
    return replace(chunk, faults=faults, lines=replace(chunk.lines, rejected=dict(sorted(rejected.items()))))


FORMAT = Cri(JSON_LINES)
