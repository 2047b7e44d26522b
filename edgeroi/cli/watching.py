"""``edgeroi spend --follow``: look, write what there is to scrape, say what changed, wait; at Ctrl-C or SIGTERM the table."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeroi.cli.reading import LogOptions
    from edgeroi.spend_report import Spending
    from edgeroi.spending import Asked

#: How long a wait goes on after it was told to stop.
_SOON_S = 0.1


def followed(said: LogOptions, asked: Asked, every: str, prometheus: Path | None) -> Spending:
    """Watch until told to stop; what was spent by then. A line on stderr says what each look with something new came to."""
    from edgeroi.cli.output import say, write_file
    from edgeroi.engines.following import Following
    from edgeroi.exposition import exposition
    from edgeroi.spending import spending_of
    from edgeroi.usage import UsageFold

    pause_s = seconds(every)
    with _told_to_stop() as stop:
        following = Following(said.logs, said.reading(), UsageFold(asked.steps()))
        found = None
        while found is None or not stop.is_set():
            look = following.look()
            for note in look.notes:
                say(f"note: {note}")
            if look.bytes or found is None:
                found = spending_of(following.profile(), following.fold.usage, asked)
                say(_line(found, look.bytes))
                if prometheus is not None:
                    write_file(prometheus, exposition(found).encode())
            _wait(pause_s, stop)
    return found


def _line(found: Spending, read: int) -> str:
    from edgeroi.words import dollars, share

    total = found.ledger.total
    usd = "no known cost" if total.usd is None else dollars(float(total.usd))
    edge = f", edge {share(found.edge.spend)}" if found.edge.spend is not None else ""
    gate = f", gate {found.gate}" if found.gate else ""
    unpriced = f", {total.unpriced_requests:,} unpriced" if total.unpriced_requests else ""
    return f"{total.amounts.requests:,} requests, {usd}{edge}{unpriced}{gate}; {read:,} bytes read"


def seconds(text: str) -> float:
    """``10s``, ``500 ms``, ``2 min`` in seconds; raises ``EdgeroiError``."""
    from edgeroi.errors import EdgeroiError
    from edgeroi.units import LATENCY, read_amount

    try:
        found = float(LATENCY.amount(*read_amount(text, LATENCY))) / 1000
    except EdgeroiError as error:
        raise EdgeroiError(error.message, key="--every", fix=error.fix or "write 10s") from None
    if found <= 0:
        raise EdgeroiError(f"{text!r} is no time to wait", key="--every", fix="write 10s")
    return found


def _wait(pause_s: float, stop: threading.Event) -> None:
    until = time.monotonic() + pause_s
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        time.sleep(min(_SOON_S, left))


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM, which end a watch as they should; a second Ctrl-C interrupts."""
    stop = threading.Event()

    def told(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
