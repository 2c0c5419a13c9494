"""Calls that wait in gRPC's own queue, since the event loop is busy: they are answered, however late."""

import asyncio
import time
from collections import Counter
from typing import Any

import grpc
import pytest

from tests.flat_settings import flat_settings
from tests.server.conftest import settings
from xapp.server.port_options import port_options

pytestmark = pytest.mark.slow

KEY = "grpc.server_max_unrequested_time_in_server"
NUM_CALLS = 100
TURN_S = 0.3
"""A turn of the busy loop, in which grpc.aio takes one call: most wait for some seconds."""
NUM_TURNS = 8


async def outcomes(options: list[tuple[str, int]]) -> Counter[str]:
    """How calls end that come to a server whose loop is busy for NUM_TURNS turns."""
    busy = grpc.aio.server(options=options)
    port = busy.add_insecure_port("127.0.0.1:0")
    await busy.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        await asyncio.to_thread(grpc.channel_ready_future(channel).result)
        method: Any = channel.unary_unary("/a.B/C")
        futures = [method.future(b"") for _ in range(NUM_CALLS)]
        for _ in range(NUM_TURNS):
            time.sleep(TURN_S)  # noqa: ASYNC251  this is the busy loop
            await asyncio.sleep(0)
        errors: list[Any] = [await asyncio.to_thread(future.exception) for future in futures]
    await busy.stop(None)
    return Counter(error.code().name for error in errors)


async def test_our_options_answer_every_call() -> None:
    assert await outcomes(port_options(settings().server)) == {"UNIMPLEMENTED": NUM_CALLS}


async def test_grpc_knows_the_key() -> None:
    """Were it renamed, its own 30 s would be back, and calls would end CANCELLED without a reason."""
    assert (await outcomes([(KEY, 1)]))["CANCELLED"] > 0


def test_no_call_has_a_later_deadline() -> None:
    longest = flat_settings(max_deadline_s=86_400).admission.max_deadline_s
    assert dict(port_options(settings().server))[KEY] >= longest
