"""Large requests one after the other, small ones at once."""

import asyncio

import pytest

from xapp.edge.turns import LARGE_BYTES, MAX_WAITING_BYTES, Turns
from xapp.errors import Exhausted


async def test_small_requests_never_wait() -> None:
    turns = Turns(pause_s=3600)
    large = [asyncio.create_task(turns.take(LARGE_BYTES + 1)) for _ in range(3)]
    await asyncio.sleep(0)
    await turns.take(LARGE_BYTES)
    for task in large:
        task.cancel()
    await asyncio.wait(large)


async def test_a_large_request_alone_waits_for_nobody() -> None:
    await Turns(pause_s=3600).take(LARGE_BYTES + 1)


async def test_large_requests_keep_their_order_and_a_caller_who_leaves_holds_up_nobody() -> None:
    turns, done = Turns(pause_s=0), []

    async def take(number: int) -> None:
        await turns.take(LARGE_BYTES + 1)
        done.append(number)

    tasks = [asyncio.create_task(take(number)) for number in range(5)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert done == [0, 2, 3, 4]


async def test_those_that_wait_have_a_bound_in_all() -> None:
    turns = Turns(pause_s=3600)
    # Larger than all may be together, and alone.
    await turns.take(MAX_WAITING_BYTES + 1)
    large = [asyncio.create_task(turns.take(MAX_WAITING_BYTES // 4)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Exhausted) as caught:
        await turns.take(LARGE_BYTES + 1)
    assert caught.value.reason == "LARGE_REQUESTS"
    await turns.take(LARGE_BYTES)
    for task in large:
        task.cancel()
    await asyncio.wait(large)
    await turns.take(MAX_WAITING_BYTES)
