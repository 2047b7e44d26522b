"""The probe against real servers on loopback that keep their own time: sent when it should be, and measured as it was."""

from __future__ import annotations

import json
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Iterator
from time import perf_counter_ns

import numpy as np
import pytest
import trustme
from probing import DelayingProxy, SlowNetwork, nearest, probed, server_process, stopped_for, wrong_every_time

from edgeroi.dialects.openai_chat import DIALECT as CHAT
from edgeroi.exchange import Exchange, Stamps
from edgeroi.loopback import Reply, Request, Server, delays, wait_until
from edgeroi.probe_plan import ProbePlan, Target
from edgeroi.trust import rates_of, reasons_of
from edgeroi.wire import Endpoint, Wire

pytestmark = pytest.mark.alone

#: 60 x 10, 34 x 20, 4 x 60 and 2 x 250 ms: by nearest rank p50 is 10, p90 20, p95 60 and p99 250 of every hundred.
CYCLE = [10] * 60 + [20] * 34 + [60] * 4 + [250] * 2
QUANTILES = (0.50, 0.90, 0.95, 0.99)


def plan_for(url: str, *paths: str, **said: object) -> ProbePlan:
    settings = {"rate": 50.0, "requests": 100, "warm_up": 0, "timeout_ms": 5_000.0, **said}
    return ProbePlan("test", (Target("edge", url, "http", placement="edge"),), tuple({"path": path} for path in paths), **settings)  # type: ignore[arg-type]


# --- sent on time --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_steady_load_is_measured_as_the_server_kept_it() -> None:
    rng = np.random.default_rng(3)
    paths = [f"/delay/{delay}" for _ in range(10) for delay in rng.permutation(CYCLE).tolist()]

    def measured() -> Iterator[str]:
        with server_process() as (url, _pid):
            exchanges, conduct = probed(plan_for(url, *paths, requests=1000))
        assert (len(exchanges), conduct.sent) == (1000, {"edge": 1000})
        assert [e.error for e in exchanges] == [None] * 1000
        own = [e.server_ms for e in exchanges if e.server_ms is not None]
        assert len(own) == 1000
        for p in QUANTILES:
            truth = nearest(own, p)
            if abs(nearest([e.wire_ms or 0.0 for e in exchanges], p) - truth) > max(1.0, 0.02 * truth):
                yield f"p{100 * p:g} from send to first byte"
            if abs(nearest([e.latency_ms for e in exchanges], p) - truth) > max(2.0, 0.03 * truth):
                yield f"p{100 * p:g} from intended send to end"

    assert not wrong_every_time(measured)


@pytest.mark.slow
@pytest.mark.parametrize(("in_flight", "p95_ms"), [(120, (940.0, 1060.0)), (8, (940.0, 1260.0))])
def test_a_stalled_server_is_seen_in_full(in_flight: int, p95_ms: tuple[float, float]) -> None:
    # Stopped for 2 s of 20: requests due in it wait from 2 s down to nothing, 10 % of all. From the intended time p95 is
    # 2 - 0.05 x 20 = 1.0 s and p99 2 - 0.01 x 20 = 1.8 s. With few threads the backlog drains on top of that.
    def measured() -> Iterator[str]:
        with server_process() as (url, pid), stopped_for(pid, 6.0, 2.0):
            exchanges, conduct = probed(plan_for(url, "/delay/2", requests=1000, max_in_flight=in_flight))
        whole = [e.latency_ms for e in exchanges if e.error is None]
        assert len(whole) == 1000
        if not p95_ms[0] <= nearest(whole, 0.95) <= p95_ms[1]:
            yield "p95"
        if abs(nearest(whole, 0.99) - 1800) > 0.06 * 1800:
            yield "p99"
        # Counted from the real send, as a closed loop would, a prober of 8 threads is blind to it: one in flight a thread, 8 of 1000.
        blind = nearest([(e.ended_ns - e.stamps.begun) / 1e6 for e in exchanges], 0.95) < 100
        if in_flight == 8 and not (conduct.capped > 50 and blind):
            yield "the backlog"
        if in_flight == 120 and conduct.capped:
            yield "threads enough"

    assert not wrong_every_time(measured, most=2)


def test_a_pause_that_was_asked_for_is_kept_and_counted() -> None:
    told = threading.Event()

    def limited(request: Request, reply: Reply) -> None:
        if told.is_set():
            reply.whole(b"{}")
        else:
            told.set()
            reply.whole(b"slow down", "429 Too Many Requests", {"retry-after": "1"})

    with Server(limited) as server:
        exchanges, conduct = probed(plan_for(server.url, "/", rate=20.0, requests=40))
    assert min(exchanges, key=lambda e: e.intended_ns).error == "http_429"
    # One second at 20 a second: some 20 are not sent, and every one of them is counted.
    assert 17 <= conduct.paused["edge"] <= 21
    assert conduct.sent["edge"] + conduct.paused["edge"] == conduct.asked["edge"] == 40
    assert len(exchanges) == conduct.sent["edge"]


def test_a_run_that_was_late_is_not_trusted() -> None:
    def at(begun_ms: float, intended_ms: float, took_ms: float) -> Exchange:
        begun, intended = int(begun_ms * 1e6), int(intended_ms * 1e6)
        return Exchange("edge", intended, Stamps(begun=begun, last_byte=begun + int(took_ms * 1e6)))

    # 100 sends 10 ms apart; p50 is 30 ms, so 3 ms of lateness at p99 are allowed and 3.5 are not.
    good = [at(10 * n + (3.0 if n >= 98 else 0.1), 10 * n, 30) for n in range(100)]
    late = [at(10 * n + (3.5 if n >= 98 else 0.1), 10 * n, 30) for n in range(100)]
    span = 990_000_000
    assert reasons_of("edge", good, rates_of(good, 100, span)) == ()
    assert "late" in reasons_of("edge", late, rates_of(late, 100, span))[0]
    # 97 of 100 in the same time are 97 %.
    short = [*good[:97]]
    assert "asked for" in reasons_of("edge", short, rates_of(short, 100, span))[0]
    assert reasons_of("edge", [], rates_of([], 100, span)) == ("edge: no answer",)


# --- what an answer says -------------------------------------------------------------------------------------------------------


def sse(*frames: object) -> list[bytes]:
    return [f"data: {json.dumps(frame, ensure_ascii=False)}\n\n".encode() for frame in frames]


def delta(**said: object) -> dict[str, object]:
    return {"object": "chat.completion.chunk", "model": "m-1", "choices": [{"index": 0, "delta": said}]}


def test_a_streamed_answer_is_timed_by_its_content() -> None:
    role, first, two, euro = sse(delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo wor"), delta(content="ld €"))
    usage = sse({"object": "chat.completion.chunk", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 4}})[0]
    cut = euro.index("€".encode()) + 1  # inside the letter
    script = [(role, 5), (first, 20), (two, 15), (euro[:cut], 15), (euro[cut:], 10), (usage, 30), (b"data: [DONE]\n\n", 10)]
    sent: list[list[int]] = []

    def stream(request: Request, reply: Reply) -> None:
        asked = json.loads(request.body)
        assert asked["stream"] is True
        assert asked["stream_options"] == {"include_usage": True}
        reply.begin({"content-type": "text/event-stream"})
        times, moment = [], request.received_ns
        for data, after_ms in script:
            moment += after_ms * 1_000_000
            wait_until(moment)
            times.append(reply.chunk(data))
        sent.append(times)  # before the end: who hears that counts at once
        reply.end()

    def measured() -> Iterator[str]:
        sent.clear()
        with Server(stream) as server:
            target = Target("edge", server.url, "openai-chat", stream=True, model="m-1")
            exchanges, _ = probed(ProbePlan("t", (target,), ("hello",), rate=10.0, requests=12, warm_up=0))
        assert len(exchanges) == len(sent) == 12
        assert [e.error for e in exchanges] == [None] * 12
        for exchange in exchanges:
            answer = exchange.answer
            assert (answer.input_tokens, answer.output_tokens, answer.model) == (7, 4, "m-1")
            assert len(answer.content_ns) == 3  # the role, usage and [DONE] are no content, a letter in two pieces is one
            whole = ((exchange.stamps.last_byte or 0) - exchange.intended_ns) / 1e6
            assert exchange.latency_ms < whole  # the closing frames do not count
        # Between pieces of content 15, then 15 + 10 ms; the first 5 + 20 ms after the request, the last 40 ms behind it.
        for what, truth, found in (
            ("first gap", 15, statistics.median(e.gaps_ms[0] for e in exchanges)),
            ("second gap", 25, statistics.median(e.gaps_ms[1] for e in exchanges)),
            ("first content", 25, statistics.median(e.ttft_ms or 0 for e in exchanges)),
            ("last content", 65, statistics.median(e.latency_ms for e in exchanges)),
        ):
            if abs(found - truth) > 2:
                yield what

    assert not wrong_every_time(measured, most=6)


def test_an_answer_that_is_not_streamed_has_no_first_token() -> None:
    body = json.dumps(
        {"model": "m-2", "choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    ).encode()
    with Server(lambda request, reply: reply.whole(body) and None) as server:
        target = Target("cloud", server.url, "openai-chat", model="m-2")
        exchanges, _ = probed(ProbePlan("t", (target,), ("hello",), rate=50.0, requests=5, warm_up=0))
    assert [(e.error, e.ttft_ms, e.answer.streamed, e.answer.output_tokens) for e in exchanges] == [(None, None, False, 1)] * 5


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'data: {"choices":[]}\n\ndata: [DONE]\n\n', "no_content"),
        (b'data: {"error":{"message":"overloaded"}}\n\n', "error_event"),
        (b"data: {not json}\n\n", "bad_event"),
        (b"", "no_content"),
    ],
)
def test_a_stream_without_an_answer_is_a_failure(body: bytes, error: str) -> None:
    listener = CHAT.listen(True)
    listener.hear(body, 5)
    assert listener.told().error == error


# --- failures ------------------------------------------------------------------------------------------------------------------


def one_exchange(url: str, timeout_s: float = 2.0, **said: object) -> Exchange:
    from edgeroi.dialects.http import DIALECT

    wire = Wire(Endpoint(url, timeout_s=timeout_s, **said))  # type: ignore[arg-type]
    try:
        return wire.exchange(DIALECT.ask({}, None, False), DIALECT.listen(False), Exchange("t", perf_counter_ns(), Stamps()))
    finally:
        wire.close()


def test_a_timeout_is_a_latency_of_at_least_the_timeout() -> None:
    with Server(lambda request, reply: time.sleep(1.0)) as server:
        exchange = one_exchange(server.url, timeout_s=0.2)
    assert exchange.error == "timeout"
    assert 200 <= exchange.latency_ms < 900


def test_a_slow_drip_does_not_outlive_the_deadline() -> None:
    def drip(request: Request, reply: Reply) -> None:
        reply.begin()
        for _ in range(100):  # each piece comes in time, the whole never does
            reply.chunk(b"x")
            time.sleep(0.05)

    with Server(drip) as server:
        exchange = one_exchange(server.url, timeout_s=0.3)
    assert exchange.error == "timeout"
    assert exchange.latency_ms < 1_000


def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    def redirect(request: Request, reply: Reply) -> None:
        asked.append(request.path)
        reply.whole(b"", "302 Found", {"location": "http://127.0.0.1:1/elsewhere"})

    with Server(redirect) as server:
        exchange = one_exchange(server.url)
    assert (exchange.error, exchange.status, asked) == ("redirect", 302, ["/"])


def test_each_failure_has_its_kind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert one_exchange(f"http://127.0.0.1:{port}").error == "connect"
    assert one_exchange("http://name.invalid").error == "dns"
    with Server(lambda request, reply: reply.hang_up()) as server:
        assert one_exchange(server.url).error in ("protocol", "reset")
    with Server(lambda request, reply: reply.whole(b"no", "503 Service Unavailable") and None) as server:
        assert one_exchange(server.url).error == "http_503"


# --- phases --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(authority: trustme.CA, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize(("version", "round_trips"), [(ssl.TLSVersion.TLSv1_3, 1), (ssl.TLSVersion.TLSv1_2, 2)])
def test_a_handshake_takes_its_round_trips(version: ssl.TLSVersion, round_trips: int, authority: trustme.CA) -> None:
    trip_ms = 80.0
    with (
        authority.cert_pem.tempfile() as trusted,
        Server(delays, serving(authority, version)) as server,
        DelayingProxy(server.port, trip_ms / 2e3) as proxy,
    ):
        url = f"https://localhost:{proxy.port}/delay/30"
        found = [one_exchange(url, authority=trusted) for _ in range(5)]
    assert [e.error for e in found] == [None] * 5
    tls = statistics.median((e.stamps.tls or 0) / 1e6 for e in found)
    assert tls == pytest.approx(round_trips * trip_ms, abs=15)
    # From the last byte of the request to the first of the answer: one round trip, and the 30 ms it takes.
    assert statistics.median(e.wire_ms or 0.0 for e in found) == pytest.approx(trip_ms + 30, abs=15)


def test_a_certificate_nobody_vouches_for_is_refused(authority: trustme.CA) -> None:
    with Server(delays, serving(authority, ssl.TLSVersion.TLSv1_3)) as server:
        exchange = one_exchange(f"https://localhost:{server.port}/delay/0")
        assert exchange.error == "tls"
        assert exchange.bytes_out == 0 or exchange.status is None
        with authority.cert_pem.tempfile() as trusted:
            named_wrong = one_exchange(f"https://127.0.0.2:{server.port}/delay/0", authority=trusted)
        assert named_wrong.error in ("tls", "connect")


def test_connecting_is_timed_apart_from_looking_up() -> None:
    from edgeroi.dialects.http import DIALECT

    with Server(delays) as server:
        wire = Wire(Endpoint(f"{server.url}/delay/0"), backend=SlowNetwork(0.05))
        first, second = (
            wire.exchange(DIALECT.ask({}, None, False), DIALECT.listen(False), Exchange("t", perf_counter_ns(), Stamps())) for _ in range(2)
        )
        wire.close()
    assert (first.connection, second.connection) == ("new", "reused")
    assert 50 <= (first.stamps.connect or 0) / 1e6 < 90
    assert (first.stamps.dns or 0) / 1e6 < 20
    assert (second.stamps.connect, second.stamps.dns) == (None, None)


def test_what_a_server_says_of_itself_is_kept() -> None:
    headers = {"server-timing": 'cache;desc="hit", total;dur=12.5', "cf-ray": "8c1f0e-LYS"}
    with Server(lambda request, reply: reply.whole(b"{}", headers=headers) and None) as server:
        exchange = one_exchange(server.url)
    assert (exchange.server_ms, exchange.site, exchange.http_version) == (12.5, "LYS", "HTTP/1.1")
