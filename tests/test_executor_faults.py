"""The executor against servers that hang, reset, fail, are slow to begin and slow to go on: on loopback, in threads and in asyncio.

Never two accepted answers, never a lost request, what is given up is hung up on, and the time is kept.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pytest
from probing import wrong_every_time

from edgeroi.dialects.http import DIALECT as HTTP
from edgeroi.estimate import Range
from edgeroi.exchange import Exchange, Stamps
from edgeroi.executor import AsyncExecutor, Cancel, Executor, GivenUp, Outcome
from edgeroi.loopback import Reply, Request, Server
from edgeroi.spec import Cascade, Fallback, Hedge, Policy
from edgeroi.wire import Endpoint, Wire

pytestmark = pytest.mark.alone

#: What a server may do with a request, and how often.
FAULTS = {"none": 0.4, "hang": 0.15, "reset": 0.1, "500": 0.15, "slow_first_token": 0.1, "slow_stream": 0.1}
#: A part that is slow would take so long; nothing here waits for it.
SLOW_S, CHUNK_S = 20.0, 0.02

POLICIES: dict[str, Policy] = {
    "fallback": Fallback("edge", "cloud", Range.point(60.0)),
    "hedge": Hedge("edge", "cloud", Range.point(30.0)),
    "cascade": Cascade("edge", "cloud", confidence=0.5),
    **{f"safe {kind}": Fallback(kind, "last", Range.point(400.0)) for kind in ("fallback", "hedge", "cascade")},
}
#: In a cascade nothing else ends a part that hangs.
TIMEOUTS_MS = {"edge": 250.0, "cloud": 250.0}


@dataclass(frozen=True)
class Sent:
    """A request of the plan: its number, the policy it goes to, and what each part does with it."""

    number: int
    policy: str
    faults: dict[str, str]

    def path(self, part: str) -> str:
        return f"/{part}/{self.number}/{self.faults.get(part, 'none')}"


def planned(n: int, seed: int) -> list[Sent]:
    rng = np.random.default_rng(seed)
    faults = rng.choice(list(FAULTS), size=(n, 2), p=list(FAULTS.values()))
    policies = rng.choice(["safe fallback", "safe hedge", "safe cascade"], size=n)
    return [Sent(number, str(policies[number]), dict(zip(("edge", "cloud"), map(str, faults[number]), strict=True))) for number in range(n)]


@dataclass
class Faulty:
    """A server that does what it is asked for in the path, and remembers how each request ended: answered, failed or hung up on."""

    fates: dict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    begun: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, request: Request, reply: Reply) -> None:
        _, part, number, fault = request.path.split("/")
        self.begun.append((part, int(number)))
        self.fates[part, int(number)].append(self._fate(fault, f"{part} {number}".encode(), reply))

    def _fate(self, fault: str, said: bytes, reply: Reply) -> str:
        if fault == "none":
            reply.whole(said)
            return "answered"
        reply.keep_alive = False
        connection = reply._connection
        if fault == "500":
            reply.whole(said, "500 Internal Server Error")
        elif fault == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(connection.detach())
        elif fault in ("hang", "slow_first_token") and left_within(connection, SLOW_S):
            return "hung up on"
        elif fault == "slow_stream":
            reply.begin()
            for _ in range(int(SLOW_S / CHUNK_S)):
                if left_within(connection, CHUNK_S):
                    return "hung up on"
                reply.chunk(b".")
        return "failed"

    def fate_of(self, part: str, number: int) -> list[str]:
        """How its requests ended, waited for: a server hears of a hang-up when it comes to it."""
        until = time.monotonic() + 10
        while self.begun.count((part, number)) > len(self.fates[part, number]) and time.monotonic() < until:
            time.sleep(0.005)
        return self.fates[part, number]


def left_within(connection: socket.socket, seconds: float) -> bool:
    """Whether whoever asked hangs up within so long."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


# --- three ways to ask: the standard library's client, our wire, asyncio's streams ---------------------------------------------


def by_library(port: int) -> Callable[[str, Sent, Cancel], str]:
    def ask(part: str, sent: Sent, cancel: Cancel) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
            held = connection.sock
            cancel.when_set(lambda: held.shutdown(socket.SHUT_RDWR))  # closing it would not wake who reads
            connection.request("GET", sent.path(part))
            answer = connection.getresponse()
            said = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise ConnectionError(answer.status)
        return said

    return ask


def by_wire(port: int) -> Callable[[str, Sent, Cancel], str]:
    wire = Wire(Endpoint(f"http://127.0.0.1:{port}", keep_body=True, timeout_s=60.0, fresh=True))

    def ask(part: str, sent: Sent, cancel: Cancel) -> str:
        found = wire.exchange(HTTP.ask({"path": sent.path(part)}, None, False), HTTP.listen(False), Exchange(part, 0, Stamps()), cancel)
        if found.error is not None:
            raise ConnectionError(found.error)
        assert found.body is not None
        return found.body

    return ask


def by_streams(port: int) -> Callable[[str, Sent], Awaitable[str]]:
    async def ask(part: str, sent: Sent) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"GET {sent.path(part)} HTTP/1.1\r\n\r\n".encode())
            status = await reader.readline()
            length = None
            while (line := (await reader.readline()).strip()) or not status:
                if not status:
                    raise ConnectionResetError
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            said = await (reader.read() if length is None else reader.readexactly(length))
        finally:
            writer.close()
        if b" 200 " not in status:
            raise ConnectionError(status)
        return said.decode()

    return ask


def confidence_of(said: str) -> float:
    """Every third answer is in doubt."""
    return 0.0 if int(said.split()[1]) % 3 == 0 else 1.0


@pytest.fixture
def faulty() -> Iterator[tuple[Faulty, int]]:
    handler = Faulty()
    with Server(handler) as server:
        yield handler, server.port


PARTS = ("edge", "cloud", "last")


#: What became of a request, and how long it took, ms.
Took = tuple[Outcome[str], float]


def in_threads(way: str, port: int, sent: Sequence[Sent], at_once: int) -> list[Took]:
    """What becomes of the requests, so many of them at once."""

    def one(each: Sent) -> Took:
        begun = time.perf_counter()
        return executor.run(each.policy, each), 1e3 * (time.perf_counter() - begun)

    ask = {"library": by_library, "wire": by_wire}[way](port)
    calls = {part: lambda each, cancel, part=part: ask(part, each, cancel) for part in PARTS}
    obedient = PARTS if way == "wire" else ()
    with (
        Executor(POLICIES, calls, confidence=confidence_of, timeouts_ms=TIMEOUTS_MS, obedient=obedient) as executor,
        ThreadPoolExecutor(at_once) as askers,
    ):
        return list(askers.map(one, sent, timeout=100))


def in_asyncio(port: int, sent: Sequence[Sent], at_once: int) -> list[Took]:
    ask = by_streams(port)

    async def all_of() -> list[Took]:
        calls = {part: lambda each, part=part: ask(part, each) for part in PARTS}
        turn = asyncio.Semaphore(at_once)
        async with AsyncExecutor(POLICIES, calls, confidence=confidence_of, timeouts_ms=TIMEOUTS_MS) as executor:

            async def one(each: Sent) -> Took:
                async with turn:
                    begun = time.perf_counter()
                    return await executor.run(each.policy, each), 1e3 * (time.perf_counter() - begun)

            return await asyncio.wait_for(asyncio.gather(*map(one, sent)), 100)

    return asyncio.run(all_of())


WAYS: dict[str, Callable[[int, Sequence[Sent], int], list[Took]]] = {
    "threads": lambda *given: in_threads("library", *given),
    "threads, obedient": lambda *given: in_threads("wire", *given),
    "asyncio": in_asyncio,
}


@pytest.mark.parametrize("way", WAYS)
def test_hundreds_at_once_under_mixed_faults(way: str, faulty: tuple[Faulty, int]) -> None:
    server, port = faulty
    plan = planned(300, seed=6)
    outcomes = [outcome for outcome, _ in WAYS[way](port, plan, 24)]
    assert len(outcomes) == len(plan)
    for sent, outcome in zip(plan, outcomes, strict=True):
        endings = [call.ending for call in outcome.calls]
        # Never lost: the last resort always answers. Never two accepted: exactly one call is, and the answer is its own.
        assert outcome.ok
        assert endings.count("accepted") == 1
        assert outcome.result == f"{outcome.by} {sent.number}"
        assert outcome.by == outcome.calls[endings.index("accepted")].name
        assert sent.faults.get(outcome.by, "none") == "none"
        assert outcome.turns[-1].to in (outcome.by, sent.policy.removeprefix("safe "))
        # Every call that was begun is told, and none that was not. One may be given up before it reaches the server.
        for part in PARTS:
            told = [call.ending for call in outcome.calls if call.name == part]
            fates = server.fate_of(part, sent.number)
            assert len(told) - told.count("given_up") <= len(fates) <= len(told) <= 1, (sent, outcome)
            # What is given up is hung up on, in the middle of whatever it is; an answer may have been on its way.
            if told == ["given_up"] and sent.faults.get(part) in ("hang", "slow_first_token", "slow_stream"):
                assert fates in ([], ["hung up on"]), (sent, outcome)
            if told != ["given_up"]:
                assert "hung up on" not in fates
    # Not because everything was left to the last resort, and not without every kind of end.
    assert {call.ending for outcome in outcomes for call in outcome.calls} == {"accepted", "not_taken", "failed", "given_up"}
    assert sum(outcome.by != "last" for outcome in outcomes) > 100
    assert sum(fates == ["hung up on"] for fates in server.fates.values()) > 50


@pytest.mark.parametrize("way", WAYS)
def test_the_time_is_kept_within_20_ms(way: str, faulty: tuple[Faulty, int]) -> None:
    _, port = faulty
    after_ms = {"fallback": 60.0, "hedge": 30.0}
    plan = [
        Sent(number, kind, {"edge": fault})
        for number, (kind, fault) in enumerate(product(after_ms, ("hang", "slow_first_token", "slow_stream") * 2))
    ]

    def measured() -> Iterator[str]:
        for sent, (outcome, took_ms) in zip(plan, WAYS[way](port, plan, 1), strict=True):
            assert (outcome.by, [call.ending for call in outcome.calls]) == ("cloud", ["given_up", "accepted"])
            if not after_ms[sent.policy] <= took_ms <= after_ms[sent.policy] + 20:
                yield f"{sent.policy} {sent.faults}"

    assert not wrong_every_time(measured, most=8)


@pytest.mark.parametrize("way", ["library", "wire"])
def test_whoever_asks_may_cancel_and_everybody_is_hung_up_on(way: str, faulty: tuple[Faulty, int]) -> None:
    server, port = faulty
    ask = {"library": by_library, "wire": by_wire}[way](port)
    calls = {part: lambda each, cancel, part=part: ask(part, each, cancel) for part in PARTS}
    cancel = Cancel()
    with Executor(POLICIES, calls, confidence=confidence_of, obedient=PARTS if way == "wire" else ()) as executor:
        threading.Timer(0.15, cancel.set).start()
        outcome = executor.run("hedge", Sent(1, "hedge", {"edge": "hang", "cloud": "slow_stream"}), cancel=cancel)
    assert (outcome.ok, type(outcome.error), [call.ending for call in outcome.calls]) == (False, GivenUp, ["given_up", "given_up"])
    assert server.fate_of("edge", 1) == server.fate_of("cloud", 1) == ["hung up on"]


def test_a_task_that_is_cancelled_hangs_up_on_everybody(faulty: tuple[Faulty, int]) -> None:
    server, port = faulty
    ask = by_streams(port)

    async def cancelled() -> Any:
        calls = {part: lambda each, part=part: ask(part, each) for part in PARTS}
        async with AsyncExecutor(POLICIES, calls, confidence=confidence_of) as executor:
            async with asyncio.timeout(0.15):
                await executor.run("safe hedge", Sent(1, "safe hedge", {"edge": "hang", "cloud": "slow_stream"}))

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert server.fate_of("edge", 1) == server.fate_of("cloud", 1) == ["hung up on"]
    assert ("last", 1) not in server.begun


def test_a_whole_request_has_a_timeout(faulty: tuple[Faulty, int]) -> None:
    server, port = faulty
    ask = by_streams(port)

    async def late() -> Outcome[str]:
        calls = {part: lambda each, part=part: ask(part, each) for part in PARTS}
        async with AsyncExecutor(POLICIES, calls, confidence=confidence_of) as executor:
            return await executor.run("hedge", Sent(1, "hedge", {"edge": "hang", "cloud": "hang"}), timeout_ms=120.0)

    outcome = asyncio.run(late())
    assert (outcome.ok, str(outcome.error)) == (False, "hedge had not answered after 120 ms")
    assert [call.ending for call in outcome.calls] == ["given_up", "given_up"]
    assert server.fate_of("edge", 1) == server.fate_of("cloud", 1) == ["hung up on"]


def test_a_coroutine_that_goes_on_after_its_cancel_holds_nobody_up() -> None:
    async def stubborn(_: str) -> str:
        for _again in range(2):
            try:
                await asyncio.sleep(0.3)
            except asyncio.CancelledError:
                continue
        return "A"

    async def quick(_: str) -> str:
        return "B"

    async def leaving(_: str) -> str:
        raise asyncio.CancelledError  # of its own

    async def all_of() -> None:
        calls = {"edge": stubborn, "cloud": quick, "leaves": leaving}
        policies: dict[str, Policy] = {
            "late": Fallback("edge", "cloud", Range.point(20.0)),
            "left": Fallback("leaves", "cloud", Range.point(5_000.0)),
        }
        async with AsyncExecutor(policies, calls) as executor:
            outcome, left = await executor.run("late", "?"), await executor.run("left", "?")
            assert (outcome.result, [call.ending for call in outcome.calls]) == ("B", ["given_up", "accepted"])
            assert (left.result, [call.ending for call in left.calls]) == ("B", ["failed", "accepted"])
            assert len(executor._tasks) == 1  # it goes on, and the executor's end waits for it
        assert not executor._tasks

    asyncio.run(all_of())
