"""What holds for every test: nothing leaves this machine, and chance is the same every time."""

from __future__ import annotations

import ipaddress
import signal
import socket

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
