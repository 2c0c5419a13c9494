"""What ends grpc.aio's accept loop does not end the node, and the probes say what is true."""

import asyncio

import pytest

from tests.e2e.caller import SERVING, calling, counted, endless, get, until
from tests.live import LiveServer
from tests.server import raw_http2

pytestmark = pytest.mark.slow


async def test_a_strange_path_ends_no_stream_and_no_port(live_server: LiveServer) -> None:
    port = int(live_server.target.rpartition(":")[2])
    async with calling(live_server) as caller:
        stream = await caller.begin(endless())
        await raw_http2.send(port, b"/grpc.health.v1.Health/\xff")
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
