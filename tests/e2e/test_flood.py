"""More calls at once than gRPC itself lets through: whoever asks is answered by us, with a reason."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest

from tests.e2e.caller import Caller, calling, until
from tests.live import LiveServer, serving
from tests.scale import sized
from tests.server.rich import details_of
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.status import DETAILS_KEY

pytestmark = pytest.mark.slow

NUM_CALLS = sized(1000, 3000)


async def _outcome(caller: Caller, number: int) -> str:
    try:
        events = await caller.generate(pb.GenerateRequest(prompt=f"{number}", max_tokens=2))
    except grpc.aio.AioRpcError as error:
        # What gRPC itself says has no details.
        has_details = any(key == DETAILS_KEY for key, _ in error.trailing_metadata() or ())
        return details_of(error).info.reason if has_details else f"{error.code().name}: {error.details()}"
    return "finished" if events[-1].HasField("finished") else "no Finished"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with serving({"XAPP_BACKEND": "fake"}) as server:
        yield server


@pytest.mark.parametrize("num_connections", [1, 12])
async def test_everyone_in_a_flood_is_answered_or_refused_with_a_reason(
    server: LiveServer, num_connections: int
) -> None:
    """One connection is always full. On twelve all come before any of them is looked at."""
    async with contextlib.AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(calling(server)) for _ in range(num_connections)]
        flood = (_outcome(callers[i % num_connections], i) for i in range(NUM_CALLS))
        outcomes = Counter(await asyncio.gather(*flood))
        assert outcomes.keys() <= {"finished", "QUEUE_FULL"}
        await until(callers[0].is_idle)
