"""A client whose line goes dead: no end of the connection ever comes, and keepalive finds it."""

import grpc
import pytest

from tests.e2e.caller import ENDLESS_FAKE, SERVING, Caller, calling, counted, endless, until
from tests.e2e.relay import relaying
from tests.live import serving

pytestmark = pytest.mark.slow

LONG_S = 3600
"""Neither a deadline nor the watchdog over writes may be what ends the stream."""
NODE = ENDLESS_FAKE | {
    "XAPP_SLOTS": "1",
    "XAPP_KEEPALIVE_S": "1",
    "XAPP_KEEPALIVE_TIMEOUT_S": "1",
    "XAPP_WRITE_TIMEOUT_S": str(LONG_S),
}


async def test_the_slot_of_a_client_behind_a_dead_line_is_free_again() -> None:
    with serving(NODE) as server:
        port = int(server.target.rpartition(":")[2])
        async with relaying(port) as (relay, target), grpc.aio.insecure_channel(target) as channel:
            call = Caller(server, channel).inference.Generate(endless(), timeout=LONG_S)
            assert (await call.read()).HasField("started")
            assert (await call.read()).HasField("chunk")
            relay.go_dead()
            assert await counted(server, "running") == 1
            async with calling(server) as other:
                await until(other.is_idle)
                assert await counted(server, "outcomes_total", outcome="cancelled") == 1
                assert await other.check() == SERVING
                # And the only slot is lent again.
                (await other.begin(endless())).cancel()
            call.cancel()
