"""A line between a client and a server that may go dead: open at both ends, and nothing passes any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Relay:
    """Forwards every connection to `port` of the loopback interface, until `go_dead`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._alive = asyncio.Event()
        self._alive.set()

    def go_dead(self) -> None:
        """Neither bytes nor an end pass from now on."""
        self._alive.clear()

    def replace(self) -> None:
        """Connections that were made so far stay dead. New ones are served."""
        self._alive = asyncio.Event()
        self._alive.set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one client until both ends have closed. Without a far end it closes at once."""
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionError:
            writer.close()
            return
        alive = self._alive
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, far_writer, alive))
                pumps.create_task(self._pump(far_reader, writer, alive))
        finally:
            writer.close()
            far_writer.close()

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, alive: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await alive.wait()
                writer.write(data)
                await writer.drain()
            await alive.wait()
            writer.write_eof()


@contextlib.asynccontextmanager
async def relaying(port: int) -> AsyncIterator[tuple[Relay, str]]:
    """A relay and the address to call it by; its connections end with the block."""
    relay = Relay(port)
    connections: set[asyncio.Task[None]] = set()

    def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(relay.connect(reader, writer)))

    server = await asyncio.start_server(on_client, "127.0.0.1", 0)
    try:
        yield relay, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
