"""Many large requests that are refused leave nothing behind in the server."""

import asyncio

import grpc
import psutil
import pytest

from tests.e2e.caller import CALL_S, Caller, calling
from tests.live import LiveServer
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

TEXT = "The near-RT RIC hosts xApps that steer the radio network. " * 1750
"""100 kB; its 27,500 tokens alone take a megabyte."""
NUM_CALLS = 150
AT_ONCE = 16
MOST_GROWN = 40 * 1024 * 1024


async def _refused(caller: Caller, turns: asyncio.Semaphore, number: int) -> None:
    request = pb.TokenizeRequest(prompt=f"{number} {TEXT}")
    async with turns:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.inference.Tokenize(request, timeout=CALL_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_prompts_that_are_too_long_take_no_memory_once_they_are_refused(
    live_model_server: LiveServer,
) -> None:
    async with calling(live_model_server) as caller:
        turns = asyncio.Semaphore(AT_ONCE)
        await _refused(caller, turns, 0)
        process = psutil.Process(live_model_server.pid)
        before = process.memory_info().rss
        await asyncio.gather(*(_refused(caller, turns, number) for number in range(NUM_CALLS)))
        assert process.memory_info().rss - before < MOST_GROWN
