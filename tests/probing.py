"""Real servers and networks for the tests of the probe: all on loopback, each in a thread or a process of its own."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import httpcore
import numpy as np

from edgeroi.exchange import Exchange
from edgeroi.probe_plan import ProbePlan
from edgeroi.prober import Conduct, Prober
from edgeroi.schedule import block_times, interleaved


def probed(plan: ProbePlan, seed: int = 7) -> tuple[list[Exchange], Conduct]:
    """Every exchange of a run over the plan, and how the run went."""
    rng = np.random.default_rng(seed)
    sends = interleaved(
        block_times(plan.requests + plan.warm_up, plan.rate, plan.arrivals, rng), len(plan.targets), len(plan.payloads), plan.warm_up, rng
    )
    exchanges: list[Exchange] = []
    conduct = Prober(plan).run(sends, exchanges.append)
    return exchanges, conduct


def nearest(values: Sequence[float], p: float) -> float:
    """The ceil(p n)-th smallest, by itself."""
    return sorted(values)[-int(-p * len(values) // 1) - 1]


def wrong_every_time(measured: Callable[[], Iterable[str]], most: int = 4) -> set[str]:
    """What was wrong in each of up to so many runs: somebody else on the machine disturbs one, an error of ours is there in all of them."""
    wrong = set(measured())
    for _ in range(most - 1):
        if not wrong:
            break
        wrong &= set(measured())
    return wrong


@contextmanager
def server_process() -> Iterator[tuple[str, int]]:
    """``(url, pid)`` of the server of known delays as a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "edgeroi.loopback"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
        process.kill()
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def stopped_for(pid: int, after_s: float, seconds: float) -> Iterator[None]:
    """Stop a process for a while, once so much time has passed inside the block."""

    def stop() -> None:
        time.sleep(after_s)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    yield
    thread.join(after_s + seconds + 5)


class SlowNetwork(httpcore.SyncBackend):
    """Takes so much longer to connect."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def connect_tcp(self, *args: object, **kwargs: object) -> httpcore.NetworkStream:
        time.sleep(self._seconds)
        return super().connect_tcp(*args, **kwargs)  # type: ignore[arg-type]


class DelayingProxy:
    """Forwards TCP to a port, every piece ``one_way_s`` later, in both directions: a network of twice that round trip.

    A proxy in user space accepts at once, so it delays what is sent over a connection and not the connection itself.
    """

    def __init__(self, port: int, one_way_s: float) -> None:
        self._to, self._delay = port, one_way_s
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> DelayingProxy:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._socket, *self._open):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    waiting: queue.Queue[tuple[float, bytes]] = queue.Queue()
                    threading.Thread(target=self._receive, args=(one, waiting), daemon=True).start()
                    threading.Thread(target=self._send, args=(other, waiting), daemon=True).start()

    def _receive(self, source: socket.socket, waiting: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(1 << 16)
            except OSError:
                data = b""
            waiting.put((time.perf_counter() + self._delay, data))

    def _send(self, sink: socket.socket, waiting: queue.Queue[tuple[float, bytes]]) -> None:
        with suppress(OSError):
            while True:
                due, data = waiting.get()
                time.sleep(max(0.0, due - time.perf_counter()))
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
