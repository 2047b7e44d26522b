"""What the reading came to: the profile, the account of every file, the rejects at their lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from xxhash import xxh3_128

from edgeroi.engines import inputs as cutting
from edgeroi.engines.counting import FILE, Bin
from edgeroi.engines.growing import Earlier
from edgeroi.engines.reader import Part, most_of, spooled
from edgeroi.engines.workers import Run
from edgeroi.errors import EdgeroiError, InternalFault, OutputFailed, Place
from edgeroi.logs.format import LineFormat, LooksOver, Settled
from edgeroi.logs.rejects import Kept, reject_line
from edgeroi.request import LineCount, less
from edgeroi.workload import (
    MOST_GROUPS,
    OTHER,
    FileAccount,
    Growing,
    Growth,
    Partial,
    Profile,
    SeenFrom,
    folded,
    regrouped,
    sum_of,
)


def profile_of(run: Run, rejects: Kept, notes: list[str], earlier: Earlier | None = None) -> Profile:
    """The profile of all that was read, and of what ``earlier`` holds; raises ``InternalFault`` where lines do not add up."""
    bins, moved = _settled(run)
    logs = tuple(_account(run, place, bins, moved.get(input.source.path, 0)) for place, input in enumerate(run.plan.inputs))
    accounts = (*(earlier.gone if earlier else ()), *logs)
    for account in accounts:
        if not account.lines.balanced:
            raise InternalFault(f"{account.path}: the lines do not add up: {account.lines}")
    _refuse_counted_twice(accounts)
    growing = _growing(run, bins, earlier)
    total = _total(run, bins, accounts, growing)
    few = folded(total)
    if few is not total:
        notes.append(f"more than {MOST_GROUPS:,} groups: the rarest {len(total.tallies) - MOST_GROUPS + 1:,} are folded into {OTHER}")
    if run.is_interrupted():
        whole = all(account.damage != "interrupted" for account in accounts)
        notes.append(f"interrupted: {'all' if whole else 'only part'} of the input was read")
    seen_from, sampling = _said(run, accounts, earlier, notes)
    aggregates = tuple(one for place in range(len(run.plan.inputs)) for part in run.parts_of(place) for one in part.aggregates)
    return Profile(few, accounts, tuple(rejects.rejects), tuple(notes), seen_from, sampling, aggregates, growing)


def _growing(run: Run, bins: Mapping[Bin, Partial], earlier: Earlier | None) -> Growing | None:
    """What makes the profile one that can grow: how it was read, and the requests that no log of it keeps for itself."""
    if not run.plan.apart:
        return None
    saved = [partial for bin, partial in bins.items() if run.parts_of(bin.file or 0)[0].saved_from]
    return Growing(run.plan.reading.told(), sum_of(run.plan.reading.by, (*saved, *([earlier.rest] if earlier else []))))


def _total(run: Run, bins: Mapping[Bin, Partial], accounts: Sequence[FileAccount], growing: Growing | None) -> Partial:
    if growing is None:
        return sum_of(run.plan.reading.by, bins.values())
    held = [account.growth.total for account in accounts if account.growth]
    return sum_of(run.plan.reading.by, (growing.rest, *held, *_of_cut_logs(run, bins, accounts[len(accounts) - len(run.plan.inputs) :])))


def _of_cut_logs(run: Run, bins: Mapping[Bin, Partial], accounts: Sequence[FileAccount]) -> Iterator[Partial]:
    """The requests of logs that were not read to their end, which keep none for themselves."""
    for place, (input, account) in enumerate(zip(run.plan.inputs, accounts, strict=True)):
        if account.growth is None and not account.saved_from:
            yield from (bins[bin] for bin in (run.plan.bin(place), run.plan.bin(place, tail=True)) if bin in bins)
            if input.grown is not None and input.grown.growth is not None:
                yield input.grown.growth.partial


def _said(run: Run, accounts: Sequence[FileAccount], earlier: Earlier | None, notes: list[str]) -> tuple[SeenFrom | None, float]:
    """Where the logs measured and the share they keep: what was said, and what saved profiles say of theirs."""
    said = [_said_of(run, parts) for place in range(len(run.plan.inputs)) if (parts := run.parts_of(place))]
    said += [account.growth.said for account in accounts if account.growth]
    said += [earlier.said] if earlier and earlier.rest.tallies else []
    places, shares = {place for place, _ in said}, {share for _, share in said}
    if len(shares) > 1:
        raise EdgeroiError(f"logs that keep {sorted(shares)} of their requests do not add up", key="sampling", fix="profile them apart")
    if len(places) > 1:
        notes.append("the logs were not all seen from the same place")
    return (places.pop() if len(places) == 1 else None, shares.pop() if shares else run.plan.reading.sampling)


def _said_of(run: Run, parts: Sequence[Part]) -> tuple[SeenFrom | None, float]:
    ours = (run.plan.reading.seen_from, run.plan.reading.sampling)
    return next((part.said for part in parts if part.said), ours)


def _is_whole(run: Run, place: int, parts: Sequence[Part]) -> bool:
    """Whether every task of a file was read to its end, and every block of it."""
    tasks = sum(task.file == place for task in run.plan.tasks)
    awaited = tasks + sum(part.blocks for part in parts)
    return len(parts) == awaited and all(part.whole for part in parts)


def _settled(run: Run) -> tuple[dict[Bin, Partial], dict[str, int]]:
    """All that was read, by the reading's columns; and how many requests of each file turned out to be told of twice."""
    bins, moved = dict[Bin, Partial](), dict[str, int]()
    formats = {input.detected.format.name: input.detected.format for input in run.plan.inputs}
    for bin, partial in sorted(run.partials.items()):
        if not bin.kind:
            bins[bin] = partial
            continue
        format = formats[bin.kind]
        assert isinstance(format, Settled)
        once = format.settle(partial)
        for key, tally in regrouped(partial, (FILE,)).tallies.items():
            left = regrouped(once, (FILE,)).tallies.get(key)
            moved[str(key[0])] = tally.requests - (left.requests if left else 0)
        bins[bin] = regrouped(once, run.plan.reading.by)
    return bins, moved


def _account(run: Run, place: int, bins: Mapping[Bin, Partial], moved: int) -> FileAccount:
    input, parts = run.plan.inputs[place], run.parts_of(place)
    before = input.grown
    if before is not None and input.is_unchanged:
        return replace(before, path=input.source.path)
    lines = sum((part.lines for part in parts), LineCount())
    if moved:
        skipped = {**lines.skipped, "other_record": lines.skipped.get("other_record", 0) + moved}
        lines = replace(lines, profiled=lines.profiled - moved, skipped=dict(sorted(skipped.items())))
    whole = _is_whole(run, place, parts)
    # A line may start in one range and end in the next, so newlines say how many lines there are only once all are counted.
    lines = replace(lines, read=sum(part.read if whole else part.owned for part in parts))
    told = [note for part in parts for note in part.notes]
    leaves = [leaf for part in parts for leaf in part.leaves]
    if before is not None and before.growth is not None:
        lines, told = before.growth.lines + lines, [*before.notes, *told]
        leaves = [*before.growth.leaves[: input.resumes_at // cutting.RANGE_BYTES], *leaves]
    account = FileAccount(
        path=input.source.path,
        bytes=sum(part.bytes for part in parts) + (input.resumes_at // cutting.RANGE_BYTES * cutting.RANGE_BYTES),
        digest=digest_of_leaves(leaves),
        format=input.detected.name,
        unit=input.detected.unit,
        lines=lines,
        counted=input.detected.format.counted,
        damage=next((str(part.damage) for part in parts if part.damage), None if whole else "interrupted"),
        notes=tuple(dict.fromkeys(told)),
        saved_from=tuple(log for part in parts for log in part.saved_from),
        added_ms=most_of(before.added_ms if before else None, *(part.added_ms for part in parts)),
    )
    keeps = run.plan.apart and whole and not account.saved_from
    return replace(account, growth=_growth(run, place, parts, bins, account, leaves)) if keeps else account


def _growth(
    run: Run, place: int, parts: Sequence[Part], bins: Mapping[Bin, Partial], account: FileAccount, leaves: Sequence[bytes]
) -> Growth:
    """What the next reading of the log will go on from."""
    input = run.plan.inputs[place]
    before = input.grown.growth if input.grown else None
    tail = next((part for part in parts if part.tail_bytes), None)
    tail_lines = replace(tail.tail_lines, read=1) if tail else LineCount()
    new = bins.get(run.plan.bin(place), Partial(run.plan.reading.by))
    is_lines = isinstance(input.detected.format, LineFormat) and not input.detected.format.hidden and not input.compressed
    is_lines = is_lines and not isinstance(input.detected.format, LooksOver)
    return Growth(
        leaves=tuple(leaves),
        head=input.start[0],
        head_bytes=input.start[1],
        lines=less(account.lines, tail_lines),
        partial=before.partial + new if before else new,
        tail_bytes=tail.tail_bytes if tail else 0,
        tail_lines=tail_lines,
        tail=bins.get(run.plan.bin(place, tail=True)),
        resumable=is_lines and (tail is not None or not any(part.ends_open for part in parts)),
        said=_said_of(run, parts),
        place=input.place,
    )


def _refuse_counted_twice(accounts: Sequence[FileAccount]) -> None:
    """A saved profile beside a log it was made from, or beside another profile of that log, would count its requests twice."""
    held: dict[str, FileAccount] = {}
    for account in accounts:
        for log in account.saved_from or (account,):
            other = held.setdefault(log.digest, account) if account.lines.read else account
            if other is not account and (account.saved_from or other.saved_from):
                said = f"holds the requests of {log.path}, as {other.path} does; they would count twice"
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
        for place, input in enumerate(run.plan.inputs):
            growth = input.grown.growth if input.grown else None
            before = growth.lines.read if growth else 0
            for part in _contiguous(run, place):
                kept.keep(input.source.path, before, part.faults)
                if file is not None:
                    faults = spooled(Path(part.spool)) if part.spool else part.faults
                    file.writelines(reject_line(input.source.path, before + fault.line, fault) for fault in faults)
                before += part.owned
    return kept


def _contiguous(run: Run, place: int) -> Iterator[Part]:
    """The parts of a file up to the first that is missing or cut: beyond it line numbers are unknown."""
    for number, task in enumerate(run.plan.tasks):
        if task.file != place:
            continue
        own = run.parts.get((number, -1))
        block = 0
        while (part := run.parts.get((number, block))) is not None:
            yield part
            if not part.whole:
                return
            block += 1
        if own is None or not own.whole or block < own.blocks:
            if own is not None and not own.blocks:
                yield own
            return
        yield own


@contextmanager
def _written(path: Path | None) -> Iterator[TextIO | None]:
    """A text file that appears whole or not at all; a device or a pipe is written to as it is."""
    if path is None:
        yield None
        return
    if path.exists() and not path.is_file():
        with _told_where(path), path.open("w", encoding="utf-8") as file:
            yield file
        return
    draft = Path(os.path.realpath(path)).with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with _told_where(path):
            with draft.open("w", encoding="utf-8") as file:
                yield file
            draft.replace(Path(os.path.realpath(path)))
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def _told_where(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFailed(f"cannot be written: {(error.strerror or str(error)).lower()}", place=Place(str(path))) from None
