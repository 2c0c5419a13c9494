"""A line with a round trip between two nodes: a relay that delays bytes. It needs no privileges.

It knows no packets: loss and rate are for `perf.network`.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 65536


class Line:
    """Forwards every connection to `port`. `rtt_s` may change while it runs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.rtt_s = 0.0

    async def serve(self) -> str:
        """Listens on a free port. Returns its address."""
        self._server = await asyncio.start_server(self._on_client, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def aclose(self) -> None:
        """Ends all connections."""
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._connect(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, far_writer))
                pumps.create_task(self._pump(far_reader, writer))
        finally:
            writer.close()
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each piece leaves half a round trip after it came. Pieces keep their order."""
        loop, due = asyncio.get_running_loop(), 0.0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_PIECE):
                due = max(due, loop.time() + self.rtt_s / 2)
                loop.call_at(due, writer.write, data)
            await asyncio.sleep(max(0.0, due - loop.time()))


@contextmanager
def line_to(port: int) -> Iterator[tuple[Line, str]]:
    """A line in a thread of its own, and the address of its near end."""
    line, loop = Line(port), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield line, asyncio.run_coroutine_threadsafe(line.serve(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(line.aclose(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
