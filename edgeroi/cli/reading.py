"""The options by which a command reads logs, as one value; ``profile``, ``compare``, ``init`` and ``spend`` read with it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from edgeroi.cli.exits import Terminated

if TYPE_CHECKING:
    from edgeroi.cli.options import Engine, Vantage
    from edgeroi.engines.folding import Fold
    from edgeroi.engines.workers import Run
    from edgeroi.logs.reading import Reading
    from edgeroi.request import LineCount
    from edgeroi.workload import Profile


F = TypeVar("F", bound="Fold")

#: How long a reading process may take to end once it is told to.
_GRACE_SECONDS = 10


@dataclass(frozen=True)
class LogOptions:
    """What was said about the logs on the command line."""

    logs: Sequence[str]
    by: Sequence[str] = ()
    map: Sequence[str] = ()
    const: Sequence[str] = ()
    mapping: Path | None = None
    not_error: Sequence[str] = ()
    require: Sequence[str] = ()
    log_format: str | None = None
    seen_from: Vantage | None = None
    sampling: str | None = None
    rejects: Path | None = None
    jobs: int | None = None
    dedupe: bool = False
    engine: Engine | None = None
    master: str | None = None

    def reading(self) -> Reading:
        """How the logs are to be read, as the command line and the mapping file say; raises ``EdgeroiError``."""
        from edgeroi.logs.reading import DEFAULT_BY, reading

        said = reading(
            by=dict.fromkeys((*DEFAULT_BY, *_listed(self.by))),
            map=self.map,
            const=self.const,
            not_error=self.not_error,
            require=_listed(self.require),
            seen_from=self.seen_from.value if self.seen_from else None,
            sampling=1.0 if self.sampling is None else share_of(self.sampling, "--sampling"),
            format=self.log_format,
            dedupe=self.dedupe,
        )
        if self.mapping is None:
            return said
        from edgeroi.logs.mapping import with_mapping

        return with_mapping(said, self.mapping)

    def _go(self) -> Callable[[Run], None] | None:
        """Who reads, where it is not this machine's processes; raises ``EdgeroiError`` for a master that nobody asks."""
        if self.engine is not None and self.engine.value == "spark":
            from edgeroi.engines.spark import on_spark

            return on_spark(self.master)
        if self.master is not None:
            from edgeroi.errors import EdgeroiError

            raise EdgeroiError("only Spark has a master", key="--master", fix="add --engine spark")
        return None

    def read(self) -> Profile:
        """The profile of the logs; an interruption ends the run."""
        profile, interruption = self.read_partly()
        if interruption:
            raise interruption
        return profile

    def read_partly(self, *, keep: bool = False, grow: Path | None = None) -> tuple[Profile, BaseException | None]:
        """The profile of the logs, or of what was read until Ctrl-C or SIGTERM, and which of the two to end with once it is shown.

        ``keep``, ``grow``: so that it can be saved and grow, from a saved profile that it grows from.
        """
        from edgeroi.cli.output import progress
        from edgeroi.engines.local import read_logs

        with progress("reading") as at, _terminated_like_interrupted() as terminated, _as_it_came(terminated):
            profile = read_logs(
                self.logs,
                self.reading(),
                jobs=self.jobs,
                progress=_meanwhile(at),
                rejects_to=self.rejects,
                keep=keep,
                grow=grow,
                go=self._go(),
            )
        return profile, _interruption(profile, terminated)

    def fold_partly(self, fold: F) -> tuple[Profile, F, BaseException | None]:
        """The same, and what a fold came to that met each of the requests."""
        from edgeroi.cli.output import progress
        from edgeroi.engines.local import read_folded

        with progress("reading") as at, _terminated_like_interrupted() as terminated, _as_it_came(terminated):
            profile, met = read_folded(self.logs, self.reading(), fold, jobs=self.jobs, progress=at, rejects_to=self.rejects)
        return profile, met, _interruption(profile, terminated)


def _interruption(profile: Profile, terminated: list[int]) -> BaseException | None:
    """What to end with, once it is shown, where the reading was told to stop."""
    if terminated:
        return Terminated()
    return KeyboardInterrupt() if any(note.startswith("interrupted") for note in profile.notes) else None


def _meanwhile(at: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Tells of the progress; and while other processes read, this one loads what it needs when they are done."""

    def told(done: int, total: int) -> None:
        import edgeroi.profile_report
        import edgeroi.renderers  # noqa: F401

        at(done, total)

    return told


@contextmanager
def _as_it_came(terminated: list[int]) -> Iterator[None]:
    """An interruption before anything was read ends the run as what it was."""
    try:
        yield
    except KeyboardInterrupt:
        if terminated:
            raise Terminated from None
        raise


@contextmanager
def _terminated_like_interrupted() -> Iterator[list[int]]:
    """SIGTERM stops the reading as Ctrl-C does; the list tells whether it came.

    A reading process, which inherits this, is left time to hand over what it read: a signal to the whole group reaches it too.
    """
    arrived: list[int] = []
    main_process = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != main_process:
            signal.alarm(_GRACE_SECONDS)
            return
        arrived.append(number)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield arrived
    finally:
        signal.signal(signal.SIGTERM, before)


def _listed(said: Sequence[str]) -> tuple[str, ...]:
    """``("a,b", "c")`` as ``("a", "b", "c")``."""
    return tuple(part.strip() for text in said for part in text.split(",") if part.strip())


def share_of(text: str, option: str) -> float:
    """``1%``, ``0.01`` or ``1/100`` as a share in (0, 1]; raises ``EdgeroiError``."""
    from edgeroi.errors import EdgeroiError

    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:(%)|/([1-9]\d*))?", text.replace(" ", ""))
    if found is None:
        raise EdgeroiError(f"{text!r} is not a share", key=option, fix="write 1%, 0.01 or 1/100")
    share = float(found[1]) / (100 if found[2] else int(found[3] or 1))
    if not 0 < share <= 1:
        raise EdgeroiError(f"{text!r} is outside 0 to 1", key=option, fix="write 1%, 0.01 or 1/100; 100% where nothing was left out")
    return share


def tolerated(said: str | None, lines: LineCount) -> int | None:
    """``--max-rejected`` as a number of lines; ``None`` where nothing was said. Raises ``EdgeroiError``."""
    from edgeroi.errors import EdgeroiError

    found = said is None or re.fullmatch(r"(\d{1,15})|(\d+(?:\.\d+)?) ?%", said.strip())
    if not found:
        raise EdgeroiError(f"{said!r} is neither a number of lines nor a share", key="--max-rejected", fix="write 25 or 2%")
    if found is True:
        return None
    return int(found[1]) if found[1] else int(float(found[2]) / 100 * lines.read)


def milliseconds_of(said: str, option: str) -> float:
    """A duration of the command line in ms; raises ``EdgeroiError`` that names the option."""
    from edgeroi.errors import EdgeroiError
    from edgeroi.units import LATENCY, read_amount

    try:
        return float(LATENCY.amount(*read_amount(said, LATENCY)))
    except EdgeroiError as error:
        raise EdgeroiError(error.message, key=option, fix=error.fix) from None


def refuse_unfit(profile: Profile, max_rejected: str | None) -> None:
    """Raise ``EdgeroiError`` where logs were damaged, or more lines rejected than may be."""
    from edgeroi.errors import EdgeroiError
    from edgeroi.profile_report import unfit

    why = unfit(profile, tolerated(max_rejected, profile.lines))
    if why:
        raise EdgeroiError(why)
