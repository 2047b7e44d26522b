"""A TCP proxy that delivers every piece so much later, in both directions: a network of twice that round trip, on one machine.

It accepts a connection at once, so it delays what is sent over one and not its handshake: a request on a connection that is open pays
one round trip, as it would on a real network, and a new connection pays less than it would. ``python delay.py PORT --one-way 40`` says
the port it listens on.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from time import perf_counter


async def carried(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_s: float) -> None:
    """What one side sends, delivered to the other in its order, each piece ``delay_s`` after it came."""
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await waiting.get()
            await asyncio.sleep(max(0.0, due - perf_counter()))
            if not piece:
                sink.close()
                return
            sink.write(piece)

    delivering = asyncio.create_task(deliver())
    piece = b"-"
    while piece:
        try:
            piece = await source.read(1 << 16)
        except ConnectionError:
            piece = b""
        waiting.put_nowait((perf_counter() + delay_s, piece))
    await delivering


async def serve(to: int, port: int, delay_s: float) -> None:
    """Proxy to a port of this machine until stopped."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(carried(reader, far_writer, delay_s), carried(far_reader, writer, delay_s))

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("to", type=int, help="the port to forward to")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--one-way", type=float, default=40.0, metavar="MS", help="in each direction")
    given = parser.parse_args()
    asyncio.run(serve(given.to, given.port, given.one_way / 1e3))


if __name__ == "__main__":
    main()
