"""Many calls at the same moment: how each of them ends."""

import asyncio
import contextlib
from collections import Counter

import grpc

from tests.e2e.caller import Caller, calling
from tests.live import LiveServer
from tests.server.rich import details_of
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.status import DETAILS_KEY

EXPLAINED = frozenset(("finished", "QUEUE_FULL", "DEADLINE_UNREACHABLE"))
"""An answer, or a reason with details."""


async def warm_up(server: LiveServer) -> None:
    """So that what is loaded on first use is there."""
    async with calling(server) as caller:
        schema = pb.OutputFormat(json_schema='{"type": "integer"}')
        await caller.generate(pb.GenerateRequest(prompt="1, 2,", format=schema, max_tokens=20))
        await caller.sample()


async def ends_of(server: LiveServer, num_calls: int, num_connections: int) -> Counter[str]:
    """`finished`, the reason of a refusal, or a status without details."""
    async with contextlib.AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(calling(server)) for _ in range(num_connections)]
        ends = (end_of(callers[number % num_connections], number) for number in range(num_calls))
        return Counter(await asyncio.gather(*ends))


async def end_of(caller: Caller, number: int) -> str:
    """How one call ends."""
    try:
        events = await caller.generate(pb.GenerateRequest(prompt=f"{number}", max_tokens=2))
    except grpc.aio.AioRpcError as error:
        # What gRPC itself says has no details.
        has_details = any(key == DETAILS_KEY for key, _ in error.trailing_metadata() or ())
        return details_of(error).info.reason if has_details else f"{error.code().name}: {error.details()}"
    return "finished" if events[-1].HasField("finished") else "no Finished"
