"""What holds for every test: nothing leaves this machine, chance is the same every time, and who measures time is alone."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from edgeroi import compiled

settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")

# A shell that starts the tests in the background leaves Ctrl-C ignored, and so would every command they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def is_loopback(address: object) -> bool:
    """Whether a socket address stays on this machine; a path (AF_UNIX) does."""
    if not isinstance(address, tuple):
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, and who must be alone comes last: so nobody waits for either while there is other work."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    alone = {item.path for item in items if item.get_closest_marker("alone")}
    items.sort(key=lambda item: (item.path in alone, item.path not in slow))


@contextmanager
def _held(path: Path, kind: int) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, kind)
        yield


@pytest.fixture(autouse=True)
def _room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A test marked ``alone`` has the machine to itself where several processes run tests; whoever comes while it waits queues behind."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    shared = tmp_path_factory.getbasetemp().parent
    alone = request.node.get_closest_marker("alone") is not None
    with ExitStack() as room:
        with _held(shared / "door", fcntl.LOCK_EX):
            room.enter_context(_held(shared / "room", fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        yield


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if not is_loopback(address):
            pytest.fail(f"a test tried to reach {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(params=["part in C", "numpy"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either way of reading and counting: what is asked of one is asked of the other."""
    if request.param == "numpy":
        monkeypatch.setattr(compiled, "part", None)
    elif compiled.part is None:
        pytest.skip("the part in C was not built here, or is switched off")
    return str(request.param)
