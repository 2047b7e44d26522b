"""A small HTTP server on loopback that keeps its own time: what a probe says can be held against what really happened.

A thread per connection, blocking sockets, sleeps ended by a short spin: its delays are kept to about a tenth of a millisecond, and what it
really took is told by ``server-timing`` and kept in ``served``. It listens on 127.0.0.1 only. ``python -m edgeroi.loopback`` runs it as a
process of its own, says its port, and ends when its standard input does; ``in_a_process`` starts and ends one.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter_ns, sleep

from edgeroi.errors import EdgeroiError

_SPIN_NS = 300_000
_ENDS_WITHIN_S = 10


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    received_ns: int


class Reply:
    """The way back: ``whole`` answers in one piece, ``begin``, ``chunk`` and ``end`` piece by piece.

    ``whole`` and ``chunk`` give when they had sent, ns.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.keep_alive = True

    def whole(self, body: bytes, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> int:
        """All of an answer."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._connection.sendall(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body)
        return perf_counter_ns()

    def begin(self, headers: Mapping[str, str] | None = None) -> None:
        """The head of an answer in chunks."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._connection.sendall(f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{lines}\r\n".encode())

    def chunk(self, data: bytes) -> int:
        """One chunk of it."""
        self._connection.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        return perf_counter_ns()

    def end(self) -> None:
        """The end of it."""
        self._connection.sendall(b"0\r\n\r\n")

    def hang_up(self) -> None:
        """Close without a word."""
        self.keep_alive = False
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


Handler = Callable[[Request, Reply], None]


@dataclass
class Server:
    """A server that is running until ``close``. ``served``: path, and ms from the last byte read to the answer sent, of each request."""

    handler: Handler
    tls: ssl.SSLContext | None = None
    port: int = 0
    served: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen on a free port, unless one is named."""
        self._socket = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self._socket.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening and hang up on everybody."""
        self._socket.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            with connection.makefile("rb") as reader:
                while (request := _read(reader)) is not None:
                    reply = Reply(connection)
                    self.handler(request, reply)
                    self.served.append((request.path, (perf_counter_ns() - request.received_ns) / 1e6))
                    if not reply.keep_alive:
                        break
        self._open.discard(connection)
        with suppress(OSError):
            connection.close()


def _read(reader: object) -> Request | None:
    """The next request of a connection, ``None`` at its end."""
    readline, read = reader.readline, reader.read  # type: ignore[attr-defined]  # a buffered reader
    first = readline().decode("latin-1").split()
    if len(first) < 2:
        return None
    headers: dict[str, str] = {}
    while line := readline().strip().decode("latin-1"):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = read(int(headers.get("content-length", 0)))
    return Request(first[0], first[1], headers, body, perf_counter_ns())


def wait_until(moment_ns: int) -> None:
    """Sleep, then spin, to a moment of ``perf_counter_ns``."""
    left = moment_ns - perf_counter_ns() - _SPIN_NS
    if left > 0:
        sleep(left / 1e9)
    while perf_counter_ns() < moment_ns:
        pass


def delays(request: Request, reply: Reply) -> None:
    """``/delay/25`` answers after 25 ms and tells what it took itself by ``server-timing``."""
    delay_ms = float(request.path.rpartition("/")[2] or 0)
    wait_until(request.received_ns + int(delay_ms * 1e6))
    took_ms = (perf_counter_ns() - request.received_ns) / 1e6
    reply.whole(b"{}", headers={"content-type": "application/json", "server-timing": f"total;dur={took_ms:.4f}"})


class Embedder:
    """Answers ``/embeddings`` as a real endpoint at a distance would: a way there and back, and a service time of its own.

    Service is lognormal around its median, drawn from a seed; ``server-timing`` tells the service and nothing of the way, which is how
    a client can tell the two apart.
    """

    def __init__(self, network_ms: float, service_ms: float, spread: float, seed: int = 1) -> None:
        self.network_ms, self.service_ms, self.spread = network_ms, service_ms, spread
        self._draws, self._lock = random.Random(seed), threading.Lock()

    def __call__(self, request: Request, reply: Reply) -> None:
        """One answer, when it would have arrived."""
        with self._lock:
            service_ms = self.service_ms * self._draws.lognormvariate(0.0, self.spread)
        wait_until(request.received_ns + int((self.network_ms + service_ms) * 1e6))
        asked = json.loads(request.body or b"{}")
        answer = {
            "object": "list",
            "model": asked.get("model"),
            "data": [{"index": 0, "embedding": [0.6, 0.8]}],
            "usage": {"prompt_tokens": len(str(asked.get("input", "")).split())},
        }
        told = {"content-type": "application/json", "server-timing": f"total;dur={service_ms:.4f}"}
        reply.whole(json.dumps(answer).encode(), headers=told)


@contextmanager
def in_a_process(arguments: Sequence[str] = ()) -> Iterator[str]:
    """The URL of a server that runs in a process of its own while the block does. Raises ``EdgeroiError`` where it does not start."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeroi.loopback", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().decode().strip()
        if not port.isdigit():
            raise EdgeroiError("the server on loopback did not start", fix="run `python -m edgeroi.loopback` to see why")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(_ENDS_WITHIN_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def main() -> None:
    """Serve until standard input ends: known delays, or with NETWORK_MS SERVICE_MS SPREAD an endpoint at a distance."""
    told = [float(word) for word in sys.argv[1:]]
    handler: Handler = Embedder(told[0], told[1], told[2]) if told else delays
    with Server(handler) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
