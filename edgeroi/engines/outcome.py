"""What the reading came to: the profile, the account of every file, the rejects at their lines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from xxhash import xxh3_128

from edgeroi.engines.reader import FILE, Part, spooled
from edgeroi.engines.workers import Run
from edgeroi.errors import EdgeroiError, InternalFault, OutputFailed, Place
from edgeroi.logs.format import Settled
from edgeroi.logs.rejects import Kept, reject_line
from edgeroi.request import LineCount
from edgeroi.workload import MOST_GROUPS, OTHER, FileAccount, Partial, Profile, SeenFrom, folded, regrouped


def _parts_of(run: Run, file: int) -> list[Part]:
    return [run.parts[number] for number, task in enumerate(run.tasks) if task.file == file and number in run.parts]


def profile_of(run: Run, rejects: Kept, notes: list[str]) -> Profile:
    """The profile of all that was read; raises ``InternalFault`` where lines do not add up."""
    settled, moved = _settled(run)
    accounts = tuple(_account(run, place, moved.get(input.source.path, 0)) for place, input in enumerate(run.inputs))
    for account in accounts:
        if not account.lines.balanced:
            raise InternalFault(f"{account.path}: the lines do not add up: {account.lines}")
    _refuse_counted_twice(accounts)
    few = folded(settled)
    if few is not settled:
        notes.append(f"more than {MOST_GROUPS:,} groups: the rarest {len(settled.tallies) - MOST_GROUPS + 1:,} are folded into {OTHER}")
    if run.interrupted:
        notes.append("interrupted: only part of the input was read")
    seen_from, sampling = _said(run, notes)
    return Profile(few, accounts, tuple(rejects.rejects), tuple(notes), seen_from, sampling)


def _said(run: Run, notes: list[str]) -> tuple[SeenFrom | None, float]:
    """Where the logs measured and the share they keep: what was said, and what saved profiles say of theirs."""
    ours = (run.reading.seen_from, run.reading.sampling)
    said = [part.said or ours for place in range(len(run.inputs)) for part in _parts_of(run, place)]
    places, shares = {place for place, _ in said}, {share for _, share in said}
    if len(shares) > 1:
        raise EdgeroiError(f"logs that keep {sorted(shares)} of their requests do not add up", key="sampling", fix="profile them apart")
    if len(places) > 1:
        notes.append("the logs were not all seen from the same place")
    return (places.pop() if len(places) == 1 else None, shares.pop() if shares else ours[1])


def _settled(run: Run) -> tuple[Partial, dict[str, int]]:
    """All that was read, by the reading's columns; and how many requests of each file turned out to be told of twice."""
    total, moved = Partial(run.reading.by), dict[str, int]()
    formats = {input.detected.format.name: input.detected.format for input in run.inputs}
    for kind, partial in sorted(run.partials.items()):
        if not kind:
            total += partial
            continue
        format = formats[kind]
        assert isinstance(format, Settled)
        once = format.settle(partial)
        for key, tally in regrouped(partial, (FILE,)).tallies.items():
            left = regrouped(once, (FILE,)).tallies.get(key)
            moved[str(key[0])] = tally.requests - (left.requests if left else 0)
        total += regrouped(once, run.reading.by)
    return total, moved


def _account(run: Run, place: int, moved: int) -> FileAccount:
    input, parts = run.inputs[place], _parts_of(run, place)
    lines = sum((part.lines for part in parts), LineCount())
    if moved:
        skipped = {**lines.skipped, "other_record": lines.skipped.get("other_record", 0) + moved}
        lines = replace(lines, profiled=lines.profiled - moved, skipped=dict(sorted(skipped.items())))
    whole = len(parts) == sum(task.file == place for task in run.tasks) and all(part.whole for part in parts)
    # A line may start in one range and end in the next, so newlines say how many lines there are only once all are counted.
    lines = replace(lines, read=sum(part.read if whole else part.owned for part in parts))
    damage = next((str(part.damage) for part in parts if part.damage), None if whole else "interrupted")
    return FileAccount(
        path=input.source.path,
        bytes=sum(part.bytes for part in parts),
        digest=digest_of_leaves([leaf for part in parts for leaf in part.leaves]),
        format=input.detected.name,
        unit=input.detected.unit,
        lines=lines,
        counted=input.detected.format.counted,
        damage=damage,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        saved_from=tuple(log for part in parts for log in part.saved_from),
    )


def _refuse_counted_twice(accounts: Sequence[FileAccount]) -> None:
    """A saved profile beside a log it was made from, or beside another profile of that log, would count its requests twice."""
    held: dict[str, FileAccount] = {}
    for account in accounts:
        for name, digest in account.saved_from or (("", account.digest),):
            other = held.setdefault(digest, account) if account.lines.read else account
            if other is not account and (account.saved_from or other.saved_from):
                said = f"holds the requests of {name or other.path}, as {other.path} does; they would count twice"
                raise EdgeroiError(said, place=Place(account.path), fix="name one of the two")


def digest_of_leaves(leaves: Sequence[bytes]) -> str:
    """The digest of a file: XXH3 (128 bits) over the XXH3 of each 8 MiB of it, in order, so that processes can share the work.

    It tells one file from another and notices a change; it is no seal against somebody who forges one.
    """
    return "xxh3-128-8m:" + xxh3_128(b"".join(leaves)).hexdigest()


def rejects_of(run: Run, path: Path | None) -> Kept:
    """The first few rejects with their lines in the file; all of them go to ``path``."""
    kept = Kept()
    with _written(path) as file:
        for place, input in enumerate(run.inputs):
            before = 0
            for part in _contiguous(run, place):
                kept.keep(input.source.path, before, part.faults)
                if file is not None and part.spool:
                    file.writelines(reject_line(input.source.path, before + fault.line, fault) for fault in spooled(Path(part.spool)))
                before += part.owned
    return kept


def _contiguous(run: Run, place: int) -> Iterator[Part]:
    """The parts of a file up to the first that is missing or cut: beyond it line numbers are unknown."""
    for number, task in enumerate(run.tasks):
        if task.file == place:
            if number not in run.parts:
                return
            yield run.parts[number]
            if not run.parts[number].whole:
                return


@contextmanager
def _written(path: Path | None) -> Iterator[TextIO | None]:
    """A text file that appears whole or not at all."""
    if path is None:
        yield None
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8") as file:
            yield file
        shutil.move(draft, path)
    except OSError as error:
        raise OutputFailed(f"cannot be written: {error.strerror}", place=Place(str(path))) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
