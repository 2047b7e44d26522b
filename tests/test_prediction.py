"""What a policy is expected to take, by hand arithmetic on a few requests of its parts; and how one of them is given up in the middle."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
import trustme
from probing import SlowNetwork

from edgeroi.dialects.http import DIALECT as HTTP
from edgeroi.estimate import Range
from edgeroi.exchange import Exchange, Stamps
from edgeroi.executor import Cancel
from edgeroi.loopback import Server, delays
from edgeroi.prediction import Prediction, predicted
from edgeroi.probe_plan import ProbedPolicy, ProbePlan, Target
from edgeroi.spec import Fallback, Hedge, Split
from edgeroi.wire import Endpoint, Wire


def taking(name: str, *ms: float, failing: Sequence[int] = ()) -> list[Exchange]:
    """A request in each block that took so long; in the blocks of ``failing`` it failed."""
    return [
        Exchange(name, 0, Stamps(last_byte=int(value * 1e6)), block=block, error="http_500" if block in failing else None)
        for block, value in enumerate(ms)
    ]


def prediction(policies: Mapping[str, ProbedPolicy], **measured: Sequence[Exchange]) -> Prediction:
    targets = [Target(name, "http://h", "http") for name in measured]
    targets += [Target(name, "", "", policy=policy) for name, policy in policies.items()]
    found = predicted(next(iter(policies)), ProbePlan("t", tuple(targets), ({},)), measured)
    assert found is not None
    return found


def atoms(found: Prediction) -> dict[float, float]:
    assert found.latency is not None
    return {
        round(float(ms), 6): pytest.approx(float(w), abs=1e-9) for ms, w in zip(found.latency.values_ms, found.latency.weights, strict=True)
    }


MS_50 = Range.point(50.0)


def test_what_was_slow_in_both_parts_is_slow_together() -> None:
    # The block that is slow at the edge is the one that is slow in the cloud: 50 + 200 ms. Taken as independent it would be
    # 50 + 20 in three of four cases, and the p99 of one request in a thousand something else altogether.
    found = prediction(
        {"both": Fallback("edge", "cloud", MS_50)}, edge=taking("edge", 10, 250, 12, 14), cloud=taking("cloud", 20, 200, 20, 20)
    )
    assert found.latency is not None
    assert found.latency.quantile(1.0) == pytest.approx(250.0, rel=0.005)
    assert found.latency.mean_ms == pytest.approx((10 + 12 + 14 + 250) / 4, rel=0.005)
    assert found.calls == {"edge": pytest.approx(1.0), "cloud": pytest.approx(0.25)}
    assert found.answered == {"edge": pytest.approx(0.75), "cloud": pytest.approx(0.25)}


def test_a_failure_goes_on_from_when_it_was_known() -> None:
    # The failure was known after 8 ms, and the cloud took 20 in that block: 28 ms.
    found = prediction(
        {"both": Fallback("edge", "cloud", MS_50)}, edge=taking("edge", 10, 8, 10, 10, failing=[1]), cloud=taking("cloud", 30, 20, 30, 30)
    )
    assert found.latency is not None
    assert found.latency.quantile(1.0) == pytest.approx(28.0, rel=0.005)
    assert found.failure_ratio == pytest.approx(0.0)
    assert found.calls["cloud"] == pytest.approx(0.25)


def test_a_hedge_is_the_sooner_of_both() -> None:
    found = prediction({"both": Hedge("edge", "cloud", MS_50)}, edge=taking("edge", 10, 80, 200, 10), cloud=taking("cloud", 20, 60, 60, 20))
    # min(80, 50 + 60) = 80 and min(200, 50 + 60) = 110.
    assert found.latency is not None
    assert [found.latency.quantile(p) for p in (0.5, 0.75, 1.0)] == pytest.approx([10, 80, 110], rel=0.005)
    assert found.calls == {"edge": pytest.approx(1.0), "cloud": pytest.approx(0.5)}


def test_policies_inside_policies_are_predicted_too() -> None:
    policies: dict[str, ProbedPolicy] = {
        "outer": Fallback("mixed", "last", MS_50),
        "mixed": Split((("edge", Range.point(0.5)), ("cloud", Range.point(0.5)))),
    }
    found = prediction(policies, edge=taking("edge", 10, 10), cloud=taking("cloud", 90, 90), last=taking("last", 5, 5))
    assert atoms(found) == {10.0: 0.5, 55.0: 0.5}
    assert found.calls == {"edge": 0.5, "cloud": 0.5, "last": 0.5}


def test_where_a_part_never_answered_nothing_is_predicted() -> None:
    plan = ProbePlan(
        "t",
        (Target("edge", "h", "http"), Target("both", "", "", policy=Hedge("edge", "cloud", MS_50)), Target("cloud", "h", "http")),
        ({},),
    )
    assert predicted("both", plan, {"edge": taking("edge", 1, 2, failing=[0, 1]), "cloud": taking("cloud", 5, 5)}) is None
    assert predicted("both", plan, {"edge": taking("edge", 1, 2)}) is None


# --- given up in the middle ----------------------------------------------------------------------------------------------------


def given_up_after(seconds: float, wire: Wire) -> tuple[Exchange, float]:
    """An exchange that is cancelled so long after it began, and how long it took, s."""
    cancel = Cancel()
    timer = threading.Timer(seconds, cancel.set)
    timer.start()
    begun = time.perf_counter()
    found = wire.exchange(HTTP.ask({}, None, False), HTTP.listen(False), Exchange("edge", 0, Stamps()), cancel)
    timer.cancel()
    return found, time.perf_counter() - begun


@pytest.mark.parametrize("encrypted", [False, True])
def test_giving_up_wakes_whoever_waits_for_the_answer(encrypted: bool) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with authority.cert_pem.tempfile() as trusted, Server(delays, context if encrypted else None) as server:
        wire = Wire(Endpoint(f"{server.url}/delay/20000", timeout_s=60.0, authority=trusted if encrypted else None))
        found, took_s = given_up_after(0.2, wire)
    assert (found.error, found.status) == ("given_up", None)
    assert took_s < 10  # the answer would have come after 20 s


def test_giving_up_wakes_whoever_waits_for_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, closing_all() as held:
        port = full.getsockname()[1]
        for _ in range(4):  # nobody accepts them, so the queue is full and the next is not heard
            held.append(socket.socket())
            held[-1].setblocking(False)
            held[-1].connect_ex(("127.0.0.1", port))
        found, took_s = given_up_after(0.2, Wire(Endpoint(f"http://127.0.0.1:{port}", timeout_s=60.0)))
    assert (found.error, found.stamps.connect, found.bytes_out) == ("given_up", None, 0)
    assert took_s < 10


def test_giving_up_wakes_whoever_agrees_on_encryption() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts in the kernel, and never says a word
        found, took_s = given_up_after(0.2, Wire(Endpoint(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout_s=60.0)))
    assert (found.error, found.stamps.tls) == ("given_up", None)
    assert found.stamps.connect is not None
    assert took_s < 10


def test_giving_up_waits_for_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60) and [])
    found, took_s = given_up_after(0.2, Wire(Endpoint("http://slow.example", timeout_s=60.0)))
    assert (found.error, found.stamps.dns) == ("given_up", None)
    assert took_s < 10
    late, took_s = given_up_after(20.0, Wire(Endpoint("http://slow.example", timeout_s=0.2)))
    assert (late.error, took_s < 10) == ("timeout", True)
    answered.set()


def test_a_name_is_still_looked_up_where_it_may_be_given_up() -> None:
    with Server(delays) as server:
        wire = Wire(Endpoint(f"http://localhost:{server.port}/delay/0", timeout_s=30.0))
        found = wire.exchange(HTTP.ask({}, None, False), HTTP.listen(False), Exchange("edge", 0, Stamps()), Cancel())
        wire.close()
    assert (found.error, found.status) == (None, 200)
    assert found.stamps.dns


@contextmanager
def closing_all() -> Iterator[list[socket.socket]]:
    held: list[socket.socket] = []
    yield held
    for each in held:
        each.close()


def test_giving_up_while_connecting_ends_once_connected() -> None:
    with Server(delays) as server:
        found, _ = given_up_after(0.1, Wire(Endpoint(f"{server.url}/delay/0"), backend=SlowNetwork(0.3)))
        assert found.error == "given_up"
        assert server.served == []  # nothing was sent


def test_a_cancel_that_comes_too_late_hurts_nobody() -> None:
    with Server(delays) as server:
        wire, cancel = Wire(Endpoint(f"{server.url}/delay/200")), Cancel()
        base = Exchange("edge", 0, Stamps())
        first = wire.exchange(HTTP.ask({}, None, False), HTTP.listen(False), base, cancel)
        threading.Timer(0.1, cancel.set).start()  # in the middle of the next exchange, on the same connection
        second = wire.exchange(HTTP.ask({}, None, False), HTTP.listen(False), base)
        wire.close()
    assert (first.error, second.error, second.connection) == (None, None, "reused")
