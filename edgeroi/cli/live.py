"""A probe as it runs, on a terminal: a line for each target, drawn by the thread that sends nothing."""

from __future__ import annotations

import os
import sys
from bisect import insort
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from edgeroi.exchange import Exchange
    from edgeroi.probe_plan import ProbePlan
    from edgeroi.probing import Watch


class View:
    """What is known so far: requests sent, out, answered and failed, and the quantiles of the answers, by target."""

    def __init__(self, plan: ProbePlan) -> None:
        self.begun = monotonic()
        self.latencies: dict[str, list[float]] = {target.name: [] for target in plan.targets}
        self.failed, self.ended = dict.fromkeys(self.latencies, 0), dict.fromkeys(self.latencies, 0)
        self.sent: Mapping[str, int] = dict(self.ended)

    def heard(self, exchange: Exchange) -> None:
        """One more that ended."""
        self.ended[exchange.target] += 1
        if exchange.error is not None:
            self.failed[exchange.target] += 1
        elif exchange.steady:
            insort(self.latencies[exchange.target], exchange.latency_ms)

    def lines(self) -> Iterator[tuple[str, ...]]:
        """A line for each target, ready to be shown; a p99 only once a hundred answers have one."""
        elapsed = max(monotonic() - self.begun, 1e-3)
        for name, latencies in self.latencies.items():
            sent = self.sent.get(name, 0)
            out = max(0, sent - self.ended[name])
            quantiles = (_nearest(latencies, p, least) for p, least in ((0.50, 1), (0.99, 100)))
            yield (name, f"{sent / elapsed:.1f}", str(out), f"{self.ended[name]:,}", str(self.failed[name]), *quantiles)


def _nearest(ordered: list[float], p: float, least: int) -> str:
    from edgeroi.histogram import nearest_rank

    return f"{ordered[nearest_rank(p, len(ordered)) - 1]:,.1f}" if len(ordered) >= least else "-"


@contextmanager
def live_view(plan: ProbePlan) -> Iterator[Watch | None]:
    """Draws the run while the block lasts, where stderr is a terminal that can; elsewhere ``None``."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    view = View(plan)
    with Live(_table(view), console=console, auto_refresh=False, transient=True) as live:

        class Drawn:
            """Passes on what it is told, and draws when it is asked to."""

            heard = staticmethod(view.heard)

            @staticmethod
            def tick(sent: Mapping[str, int]) -> None:
                view.sent = sent
                live.update(_table(view), refresh=True)

        yield Drawn()


def _table(view: View) -> Table:
    from rich.table import Table
    from rich.text import Text

    from edgeroi.renderers._plain import safe_text

    table = Table(box=None, pad_edge=False)
    for n, title in enumerate(("target", "sent /s", "in flight", "ended", "failed", "p50 ms", "p99 ms")):
        table.add_column(title, justify="right" if n else "left")
    for line in view.lines():
        table.add_row(*(Text(safe_text(cell)) for cell in line))
    return table
