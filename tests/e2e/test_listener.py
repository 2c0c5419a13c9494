"""What ends grpc.aio's accept loop does not end the node, and the probes say what is true."""

import asyncio
import contextlib

import pytest

from tests.e2e.caller import SERVING, calling, counted, endless, get, until
from tests.live import LiveServer
from tests.server import raw_http2

pytestmark = pytest.mark.slow


async def _send(port: int, path: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw_http2.opening(path, b""))
    await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_strange_path_ends_no_stream_and_no_port(live_server: LiveServer) -> None:
    port = int(live_server.target.rpartition(":")[2])
    async with calling(live_server) as caller:
        stream = await caller.begin(endless())
        await _send(port, b"/grpc.health.v1.Health/\xff")
        await asyncio.to_thread(live_server.wait_for, "the gRPC listener is served again")
        assert (await stream.read()).HasField("chunk")
        stream.cancel()

        async def serves() -> bool:
            async with calling(live_server) as another:
                return bool(await another.check() == SERVING)

        await until(serves)
    for probe in ("alive", "ready"):
        assert (await get(live_server, f"/ric/v1/health/{probe}"))[0] == 200
    assert await counted(live_server, "ready") == 1
