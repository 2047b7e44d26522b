"""How long it takes until a policy's first call runs, and until its answer is back, as the machine is and with its cores kept busy.

``python benchmarks/handoff.py`` compares a thread begun for each call with the executor's threads, which wait for work, and with calls
that promise to obey their cancel, which run where they are asked. Each call says when it ran; the rest is the way there and back.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from time import perf_counter_ns

import numpy as np

from edgeroi.estimate import Range
from edgeroi.executor import Cancel, Executor
from edgeroi.spec import Fallback

CALLS, PAUSE_S = 400, 0.004
#: Nothing here takes so long.
AFTER = Range.point(20_000.0)


def ran(_: str, cancel: Cancel) -> int:
    return perf_counter_ns()


def by_new_thread() -> int:
    """As the executor did it before: a thread for each call, whose answer comes by a queue."""
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(ran("", Cancel())), daemon=True).start()
    return answers.get(timeout=AFTER.likely / 1e3)


def measured(ask: Callable[[], int]) -> str:
    there, back = [], []
    for _ in range(CALLS):
        time.sleep(PAUSE_S)
        begun = perf_counter_ns()
        at = ask()
        there.append((at - begun) / 1e6)
        back.append((perf_counter_ns() - at) / 1e6)
    return " | ".join(f"{np.percentile(took, p):.3f}" for took in (there, back) for p in (50, 99))


def main() -> None:
    policies, calls = {"p": Fallback("a", "b", AFTER)}, {"a": ran, "b": ran}
    sys.stdout.write("| busy cores | the call runs | there p50 ms | p99 | back p50 ms | p99 |\n|--:|---|--:|--:|--:|--:|\n")
    for busy in (0, 1, 2):
        with ExitStack() as stack:
            for _ in range(busy):
                spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                stack.callback(spinning.wait)
                stack.callback(spinning.kill)
            waiting, here = (stack.enter_context(Executor(policies, calls, obedient=obedient)) for obedient in ((), calls))
            ways: dict[str, Callable[[], int]] = {
                "in a new thread": by_new_thread,
                "in a thread that waits": lambda asked=waiting: asked.run("p", "").result or 0,
                "where it is asked": lambda asked=here: asked.run("p", "").result or 0,
            }
            for name, ask in ways.items():
                sys.stdout.write(f"| {busy} | {name} | {measured(ask)} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
