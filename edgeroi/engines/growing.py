"""A saved profile that grows: which of its logs are met again, and from where each is to be read.

A log is known by its bytes, not by its name: the digest of its first bytes and that of the last range that was read. So a log
that was rotated away is known under its new name, and one that was rewritten is noticed under its old one. The ranges between the
first and the last are not read again, or an update would cost as much as a digest of everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from xxhash import xxh3_128

from edgeroi.engines import inputs as cutting
from edgeroi.engines.inputs import Input, start_of
from edgeroi.errors import EdgeroiError, Place
from edgeroi.logs.format import HEAD_BYTES
from edgeroi.logs.reading import Reading
from edgeroi.logs.saved import SavedProfile, read_saved
from edgeroi.logs.sources import opened_file
from edgeroi.workload import FileAccount, Growth, Partial, SeenFrom


@dataclass(frozen=True, slots=True)
class Earlier:
    """A saved profile that is to grow. ``gone``: its logs that were not met again, kept as they are; ``rest``: what no log keeps."""

    gone: tuple[FileAccount, ...]
    rest: Partial
    said: tuple[SeenFrom | None, float]


def grown_from(path: Path, reading: Reading) -> SavedProfile:
    """The profile saved at ``path``; raises ``EdgeroiError`` where it cannot grow, or not by this reading."""
    saved = read_saved(path)
    ours = reading.told()
    if not saved.reading:
        raise EdgeroiError("was saved without what it takes to grow", place=Place(str(path)), fix="save it anew with --save")
    other = [name for name in ours.keys() | saved.reading.keys() if ours.get(name) != saved.reading.get(name)]
    if other:
        told = "; ".join(f"{name}: {saved.reading.get(name)}, now {ours.get(name)}" for name in sorted(other))
        raise EdgeroiError(f"was saved with other options ({told})", place=Place(str(path)), fix="give the same, or save it anew")
    return saved


def met_again(inputs: Sequence[Input], saved: SavedProfile) -> tuple[tuple[Input, ...], Earlier, list[str]]:
    """The inputs with what the profile holds of them, the earlier it leaves, and notes on what is not as it was."""
    matching = _Matching(list(inputs), dict(enumerate(saved.logs)))
    matching.match(lambda input, log: _named(input) == log.path and _continues(input, log))
    matching.match(_continues)
    matching.replace_rewritten()
    matching.replace_compressed()
    _refuse_untold(matching)
    earlier = Earlier(tuple(matching.left.values()), saved.rest, (saved.seen_from, saved.sampling))
    return tuple(matching.inputs), earlier, matching.notes


class _Matching:
    """Inputs and saved logs, matched one after the other; ``left`` are the logs that nobody has claimed."""

    def __init__(self, inputs: list[Input], left: dict[int, FileAccount]) -> None:
        self.inputs, self.left, self.notes = inputs, left, list[str]()
        self._settled = {place for place, input in enumerate(inputs) if input.source.bytes is None}

    def match(self, continues: Callable[[Input, FileAccount], bool]) -> None:
        """Let every input claim the first log that it continues."""
        for place, input in self.open():
            found = next((number for number, log in self.left.items() if continues(input, log)), None)
            if found is None:
                continue
            log = self.left.pop(found)
            self._settled.add(place)
            if log.bytes == input.source.bytes or (log.growth is not None and log.growth.resumable):
                self.inputs[place] = replace(input, grown=log)
            else:
                self.notes.append(f"{input.source.path} grew and is read whole: {_why_whole(input)}")

    def replace_rewritten(self) -> None:
        """What an input of the same name held before is left out, and told."""
        for place, input in self.open():
            found = next((number for number, log in self.left.items() if _named(input) == log.path and log.growth), None)
            if found is not None:
                log = self.left.pop(found)
                self._settled.add(place)
                if log.bytes:
                    self.notes.append(
                        f"{input.source.path} was rewritten or cut since it was saved ({log.bytes:,} bytes then): it is read anew, "
                        f"and the {log.lines.read:,} {log.counted} it had are left out"
                    )

    def replace_compressed(self) -> None:
        """A log that begins with the same bytes once decompressed is the same log, packed away."""
        for place, input in self.open():
            found = next((number for number, log in self.left.items() if _begins_alike(input, log)), None)
            if found is not None:
                log = self.left.pop(found)
                self._settled.add(place)
                self.notes.append(f"{input.source.path} begins as {log.path} did and takes its place: it is read whole")

    def open(self) -> list[tuple[int, Input]]:
        """The inputs that continue nothing so far, with their places."""
        return [(place, input) for place, input in enumerate(self.inputs) if place not in self._settled]


def _named(input: Input) -> str:
    return PurePath(input.source.path).name


def _continues(input: Input, log: FileAccount) -> bool:
    """Whether the input is the log as it was saved, perhaps with more at its end, and read in the same way."""
    growth, size = log.growth, input.source.bytes
    return (
        growth is not None
        and size is not None
        and 0 < log.bytes <= size
        and (input.detected.name, input.detected.unit) == (log.format, log.unit)
        and (growth.head_bytes < HEAD_BYTES or growth.head == input.start[0])
        and growth.place == input.place
        and input.reading.const == input.reading.for_file(log.path).const
        and _last_leaf(input, log.bytes) == growth.leaves[-1]
    )


def _last_leaf(input: Input, size: int) -> bytes:
    """The digest of the last range of the first ``size`` bytes of the file."""
    start = (size - 1) // cutting.RANGE_BYTES * cutting.RANGE_BYTES
    digest = xxh3_128()
    with opened_file(input.source) as file:
        file.seek(start)
        left = size - start
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
    return digest.digest()


def _begins_alike(input: Input, log: FileAccount) -> bool:
    growth: Growth | None = log.growth
    if growth is None or not growth.head_bytes or growth.head_bytes > input.start[1]:
        return False
    if growth.head_bytes == input.start[1]:
        return growth.head == input.start[0]
    return growth.head == xxh3_128(start_of(input.source)[0].data[: growth.head_bytes]).digest()


def _why_whole(input: Input) -> str:
    if input.compressed:
        return "a compressed stream has no place to go on from"
    return f"{input.detected.name} is read front to back"


def _refuse_untold(matching: _Matching) -> None:
    """A log merged from another saved profile cannot be told apart, so that the same name may be the same requests."""
    merged = {log.path for log in matching.left.values() if log.growth is None}
    for _, input in matching.open():
        if _named(input) in merged:
            said = f"a log of this name is in the profile already, merged from another profile: {_named(input)}"
            raise EdgeroiError(said, place=Place(input.source.path), fix="update the profile it was saved in, and merge that")
