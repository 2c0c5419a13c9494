"""What ends grpc.aio's accept loop does not end the node, and the probes say what is true."""

import pytest

from tests.e2e.caller import SERVING, calling, counted, endless, get, until
from tests.live import LiveServer
from tests.server import raw_http2

pytestmark = pytest.mark.slow

NUM_PATHS = 12
"""Fewer than the listeners that may end before the streams of the oldest are cut."""


def _num_served_again(server: LiveServer) -> int:
    return sum(record["msg"] == "the gRPC listener is served again" for record in server.records())


async def _send_strange_path(server: LiveServer) -> None:
    """Returns when the listener has ended of it and is served again."""
    before = _num_served_again(server)

    async def served_again() -> bool:
        return _num_served_again(server) > before

    await raw_http2.send(int(server.target.rpartition(":")[2]), b"/grpc.health.v1.Health/\xff")
    await until(served_again)


async def test_strange_paths_end_no_stream_no_port_and_no_process(live_server: LiveServer) -> None:
    """More than one: memory that gRPC overwrites by mistake shows some time later, and not every time."""
    async with calling(live_server) as caller:
        stream = await caller.begin(endless())
        for _ in range(NUM_PATHS):
            await _send_strange_path(live_server)
            assert (await stream.read()).HasField("chunk")
        stream.cancel()

        async def serves() -> bool:
            async with calling(live_server) as another:
                return bool(await another.check() == SERVING)

        await until(serves)
    for probe in ("alive", "ready"):
        assert (await get(live_server, f"/ric/v1/health/{probe}"))[0] == 200
    assert await counted(live_server, "ready") == 1
