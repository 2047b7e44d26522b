"""One request on a real connection, every phase stamped where it happens: in the name lookup, the socket and the handshake themselves.

The HTTP of ``httpcore`` is used (it is what httpx sends with, and adds the least of the Python clients), over sockets of ours:
we look the name up, dial the address and stamp each read and write. Nothing is retried, no redirect is followed, certificates are
verified, and a whole exchange has one deadline.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import queue
import re
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any
from urllib.parse import urlsplit

import httpcore

from edgeroi import __version__
from edgeroi.dialects.dialect import Asked, Listener
from edgeroi.errors import EdgeroiError
from edgeroi.exchange import Answer, Connection, Exchange, Stamps
from edgeroi.underway import Cancel

USER_AGENT = f"edgeroi/{__version__} (latency probe)"
#: A new connection that is idle longer than this is not used again: most servers close theirs after five seconds or more.
IDLE_S = 4.0
#: A body kept on request is kept up to here.
_KEPT_BODY = 1 << 16

#: Headers that tell which site served a request, and what of their value does.
_SITES: tuple[tuple[bytes, Callable[[str], str]], ...] = (
    (b"cf-ray", lambda value: value.rpartition("-")[2]),
    (b"x-amz-cf-pop", lambda value: value),
    (b"fly-request-id", lambda value: value.rpartition("-")[2]),
    (b"x-served-by", lambda value: value.rpartition(",")[2].strip().rpartition("-")[2]),
)
_DURATION = re.compile(r"([^;,\s]+)[^,]*?;\s*dur=([0-9.]+)")
Clock = Callable[[], int]
#: Waits for one socket; where there is poll, for any number of open files.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go. ``headers`` hold secrets: sent, never shown. ``authority``: a CA file to trust besides the usual ones."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = 30.0
    authority: str | None = None
    fresh: bool = False
    keep_body: bool = False

    @property
    def origin(self) -> str:
        """Scheme, host and port, as they may be shown."""
        told = urlsplit(self.url)
        return f"{told.scheme}://{told.hostname}{'' if told.port is None else f':{told.port}'}"


class DeadlinePassed(Exception):
    """The exchange took longer than it may."""


class GivenUp(Exception):
    """Nobody wants the answer any more."""


class TimedStream(httpcore.NetworkStream):
    """A connection's bytes, each read and write stamped, none waited for beyond the deadline or once nobody wants them."""

    def __init__(self, held: socket.socket, visit: Visit) -> None:
        self._socket, self._visit = held, visit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, waited for as long as the deadline allows."""
        visit = self._visit
        self._socket.settimeout(visit.left())
        with _told_as(httpcore.ReadTimeout, httpcore.ReadError):
            data = self._socket.recv(max_bytes)
        now = visit.clock()
        if data:
            visit.stamps.first_byte = visit.stamps.first_byte or now
            visit.stamps.last_byte = now
            visit.bytes_in += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        visit = self._visit
        self._socket.settimeout(visit.left())
        with _told_as(httpcore.WriteTimeout, httpcore.WriteError):
            self._socket.sendall(buffer)
        visit.stamps.sent = visit.clock()
        visit.bytes_out += len(buffer)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> TimedStream:
        """The same connection, encrypted."""
        visit, begun = self._visit, self._visit.clock()
        with _told_as(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                wrapped = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname, do_handshake_on_connect=False)
                visit.socket = self._socket = wrapped  # the one before it has handed its connection over
                wrapped.settimeout(visit.left())
                wrapped.do_handshake()
            except BaseException:
                self.close()
                raise
        visit.stamps.tls = visit.clock() - begun
        return self

    def get_extra_info(self, info: str) -> Any:
        """What the socket knows, as ``httpcore`` asks for it."""
        if info == "socket":
            return self._socket
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        return _ready(self._socket, selectors.EVENT_READ, 0.0) if info == "is_readable" else None


class TimedBackend(httpcore.NetworkBackend):
    """Opens connections: looks the name up, dials its addresses in turn, stamps both. ``inner`` dials in its place where it is given."""

    def __init__(self, visit: Visit, inner: httpcore.NetworkBackend | None) -> None:
        self._visit, self._inner = visit, inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> TimedStream:
        """A connection to the first address that answers."""
        visit, begun = self._visit, self._visit.clock()
        found = self._looked_up(host, port)
        looked_up = visit.clock()
        visit.stamps.dns = looked_up - begun
        failed: Exception | None = None
        for family, *_, address in found:
            try:
                held = self._dialled(family, address) if self._inner is None else self._dialled_by(self._inner, str(address[0]), port)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
                continue
            visit.stamps.connect = visit.clock() - looked_up
            held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            visit.socket = held
            return TimedStream(held, visit)
        raise failed or NameNotFound(f"{host} has no address")

    def _looked_up(self, host: str, port: int) -> list[Any]:
        """A name's addresses. What looks a name up cannot be woken, so where it may be given up, another thread does it."""
        cancel = self._visit.cancel
        if cancel is None or _is_address(host):
            found = _addresses(host, port)
        else:
            inbox: queue.SimpleQueue[list[Any] | NameNotFound] = queue.SimpleQueue()
            cancel.when_set(lambda: inbox.put([]))
            threading.Thread(target=lambda: inbox.put(_addresses(host, port)), daemon=True).start()
            try:
                found = inbox.get(timeout=self._visit.left())
            except queue.Empty:
                raise DeadlinePassed from None
            self._visit.left()
        if isinstance(found, NameNotFound):
            raise found
        return found

    def _dialled(self, family: int, address: Any) -> socket.socket:
        """A connected socket, which giving up reaches while it connects."""
        visit, held = self._visit, socket.socket(family, socket.SOCK_STREAM)
        try:
            held.setblocking(False)
            visit.socket = held
            code = held.connect_ex(address)
            left = visit.left()  # one that is given up before it began to connect was not woken
            if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
                if not _ready(held, selectors.EVENT_WRITE, left):
                    raise httpcore.ConnectTimeout
                code = held.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise httpcore.ConnectError(os.strerror(code))
            visit.left()
        except BaseException:
            held.close()
            raise
        return held

    def _dialled_by(self, inner: httpcore.NetworkBackend, host: str, port: int) -> socket.socket:
        held: socket.socket = inner.connect_tcp(host, port, self._visit.left()).get_extra_info("socket")
        return held


@contextmanager
def _told_as(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """Tell what a socket does in the words of ``httpcore``."""
    try:
        yield
    except TimeoutError as error:
        raise timeout(error) from error
    except OSError as error:
        raise failure(error) from error


def _ready(held: socket.socket, event: int, timeout_s: float) -> bool:
    """Whether a socket can be read or written without waiting, within so long; a closed one can."""
    if held.fileno() < 0:
        return True
    with _Selector() as selector:
        selector.register(held, event)
        return bool(selector.select(timeout_s))


def _addresses(host: str, port: int) -> list[Any] | NameNotFound:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a label that is too long is told as UnicodeError
        return NameNotFound(str(error))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class NameNotFound(Exception):
    """The host's name has no address."""


@dataclass(slots=True)
class Visit:
    """What the exchange that is using a connection at the moment leaves on it."""

    clock: Clock
    stamps: Stamps = field(default_factory=Stamps)
    deadline_ns: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    socket: socket.socket | None = None
    cancel: Cancel | None = None
    given_up: bool = False
    open: bool = False
    guard: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, begun_ns: int, deadline_ns: int, cancel: Cancel | None) -> Stamps:
        """Forget the exchange before, and start the next; gives its stamps."""
        self.stamps, self.deadline_ns, self.bytes_in, self.bytes_out = Stamps(begun=begun_ns), deadline_ns, 0, 0
        self.cancel, self.given_up, self.open = cancel, False, True
        return self.stamps

    def end(self) -> None:
        """The exchange is over: giving it up has no effect from here on, whoever has the connection next."""
        with self.guard:
            self.open = False

    def give_up(self, stamps: Stamps) -> None:
        """Hang up in the middle of the exchange of these stamps, whatever thread waits for it; nothing where it is over.

        Closing a socket does not wake a thread that reads from it; shutting it down does.
        """
        with self.guard:
            if not self.open or self.stamps is not stamps:
                return
            self.given_up = True
            if self.socket is not None:
                with suppress(OSError):
                    socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # of TLS too: its own would take the cipher from a reader

    def left(self) -> float:
        """Seconds to the deadline; raises ``DeadlinePassed`` when it is over, ``GivenUp`` where nobody waits any more."""
        if self.given_up:
            raise GivenUp
        left = (self.deadline_ns - self.clock()) / 1e9
        if left <= 0:
            raise DeadlinePassed
        return left


class Wire:
    """The connections to one endpoint. Safe to use from many threads: an exchange has a connection to itself."""

    def __init__(self, endpoint: Endpoint, *, clock: Clock = perf_counter_ns, backend: httpcore.NetworkBackend | None = None) -> None:
        told = urlsplit(endpoint.url)
        if told.scheme not in ("http", "https") or not told.hostname:
            raise EdgeroiError("a URL begins with http:// or https:// and names a host", key="url")
        self.endpoint, self.clock = endpoint, clock
        self._backend = backend
        self._base = told.path.rstrip("/")
        self._query = f"?{told.query}" if told.query else ""
        self._origin = httpcore.URL(scheme=told.scheme, host=told.hostname, port=told.port, target="/").origin
        self._context = _trusting(endpoint.authority) if told.scheme == "https" else None
        self._host = told.netloc.rpartition("@")[2]
        self._idle: list[tuple[httpcore.HTTPConnection, Visit]] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def exchange(self, asked: Asked, listener: Listener, base: Exchange, cancel: Cancel | None = None) -> Exchange:
        """Send a request and hear its answer to the end. Never raises for what the network or the server does.

        ``base``: target, intended time, block and labels of the result; its intended time is on this wire's clock. ``cancel``: hangs up
        at once when it is set, whether a name is looked up, a connection made or an answer waited for; the result is the failure
        ``given_up``.
        """
        from dataclasses import replace

        begun = self.clock()
        connection, visit, kind = self._taken(fresh=self.endpoint.fresh or base.cold)
        stamps = visit.begin(begun, begun + int(self.endpoint.timeout_s * 1e9), cancel)
        heard = _Heard(listener, visit, self.endpoint.keep_body)
        if cancel is not None:
            cancel.when_set(lambda: visit.give_up(stamps))
        error = heard.all_of(connection, self._request(asked))
        visit.end()
        if visit.given_up:
            error = "given_up"
        if error is not None:
            stamps.last_byte = self.clock()
            connection.close()
        elif self.endpoint.fresh or not connection.is_idle():
            connection.close()
        else:
            self._give_back(connection, visit)
        answer = listener.told() if error is None or stamps.first_byte else Answer()
        return replace(
            base,
            stamps=stamps,
            answer=answer,
            status=heard.status,
            error=error or _http_error(heard.status) or answer.error,
            connection=kind,
            http_version=heard.http_version,
            bytes_in=visit.bytes_in,
            bytes_out=visit.bytes_out,
            site=_site(heard.headers),
            server_ms=_server_ms(heard.headers),
            retry_after_s=_retry_after(heard.headers) if heard.status in (429, 503) else None,
            body=heard.body,
        )

    def _taken(self, *, fresh: bool) -> tuple[httpcore.HTTPConnection, Visit, Connection]:
        """The connection used last that is still good, else a new one."""
        while not fresh:
            with self._lock:
                if not self._idle:
                    break
                connection, visit = self._idle.pop()
            if connection.is_available() and not connection.has_expired():
                return connection, visit, "reused"
            connection.close()
        visit = Visit(self.clock)
        backend = TimedBackend(visit, self._backend)
        connection = httpcore.HTTPConnection(self._origin, self._context, keepalive_expiry=IDLE_S, network_backend=backend)
        return connection, visit, "new"

    def _give_back(self, connection: httpcore.HTTPConnection, visit: Visit) -> None:
        with self._lock:
            self._idle.append((connection, visit))

    def _request(self, asked: Asked) -> httpcore.Request:
        headers = {"host": self._host, "user-agent": USER_AGENT, "accept-encoding": "identity", **asked.headers, **self.endpoint.headers}
        if asked.body or asked.method in ("POST", "PUT", "PATCH"):
            headers["content-length"] = str(len(asked.body))
        target = f"{self._base}{asked.path}{self._query}" or "/"
        url = httpcore.URL(scheme=self._origin.scheme, host=self._origin.host, port=self._origin.port, target=target)
        return httpcore.Request(asked.method, url, headers=list(headers.items()), content=asked.body)


class _Heard:
    """What comes back on one exchange."""

    def __init__(self, listener: Listener, visit: Visit, keep_body: bool) -> None:
        self._listener, self._visit, self._keep = listener, visit, keep_body
        self._kept = b""
        self.status: int | None = None
        self.http_version: str | None = None
        self.headers: Mapping[bytes, str] = {}

    @property
    def body(self) -> str | None:
        """The beginning of the body, where it was asked to be kept."""
        return self._kept.decode("utf-8", "replace") if self._keep else None

    def all_of(self, connection: httpcore.HTTPConnection, request: httpcore.Request) -> str | None:
        """Hear all of the answer; the kind of failure, ``None`` for none."""
        try:
            response = connection.handle_request(request)
            self.status = response.status
            self.http_version = response.extensions.get("http_version", b"").decode("ascii", "replace") or None
            self.headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            for piece in response.iter_stream():
                self._listener.hear(piece, self._visit.stamps.last_byte or self._visit.clock())
                if self._keep and len(self._kept) < _KEPT_BODY:
                    self._kept += piece[: _KEPT_BODY - len(self._kept)]
            response.close()
        except Exception as error:  # whatever the network does is a result
            return _kind_of(error)
        return None


def _kind_of(error: Exception) -> str:
    """What kind of failure this is, in a word that holds nothing of the request."""
    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (NameNotFound, "dns"),
        ((DeadlinePassed, httpcore.TimeoutException), "timeout"),
        (GivenUp, "given_up"),
        (ssl.SSLError, "tls"),
        (httpcore.ConnectError, "tls" if _about_tls(error) else "connect"),
        (httpcore.RemoteProtocolError, "protocol"),
        (httpcore.NetworkError, "reset"),
        (OSError, "network"),
    )
    for kind, word in kinds:
        if isinstance(error, kind):
            return word
    raise error


def _about_tls(error: Exception) -> bool:
    return isinstance(error.__cause__, ssl.SSLError) or isinstance(error.__context__, ssl.SSLError) or "SSL" in str(error)


def _http_error(status: int | None) -> str | None:
    """Why a status is a failure: an error, or a redirect, which is never followed."""
    if status is None or 200 <= status < 300:
        return None
    return "redirect" if 300 <= status < 400 else f"http_{status}"


def _trusting(authority: str | None) -> ssl.SSLContext:
    """A context that verifies certificates and host names by the system's authorities, and by one more where it is named."""
    context = ssl.create_default_context()
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as error:
            raise EdgeroiError(f"no certificate authority can be read: {error.strerror or error}", key=authority) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def _site(headers: Mapping[bytes, str]) -> str | None:
    return next((told[:32] for name, of in _SITES if (value := headers.get(name)) and (told := of(value))), None)


def _server_ms(headers: Mapping[bytes, str]) -> float | None:
    """What the server says it took: ``total`` of its ``server-timing``, or its only entry."""
    told = {
        name.lower(): float(ms) for name, ms in _DURATION.findall(headers.get(b"server-timing", "")) if re.fullmatch(r"\d+(\.\d*)?", ms)
    }
    return told.get("total", next(iter(told.values())) if len(told) == 1 else None)


def _retry_after(headers: Mapping[bytes, str]) -> float | None:
    """Seconds to wait, where they are told in seconds."""
    told = headers.get(b"retry-after", "")
    return float(told) if re.fullmatch(r"\d{1,5}(\.\d+)?", told) else None
