"""One real node with scripted speed, and a pool of two: the harness measures what is there."""

import asyncio
import signal

import pytest

from perf.pool.load import Load
from perf.pool.nodes import running, target
from xapp.client import Client

pytestmark = pytest.mark.slow


async def asked(name: str, num_calls: int) -> set[str]:
    async with Client(name) as client:
        load = Load(client, deadline_s=60)
        await asyncio.gather(*(load.ask() for _ in range(num_calls)))
    assert all(call.good for call in load.calls), load.calls
    return {call.node for call in load.calls}


async def serve(name: str) -> None:
    async with Client(name) as client:
        await client.wait_until_serving(60)


def test_a_pool_is_asked_and_a_dead_node_is_passed_over() -> None:
    with running([120.0, 120.0]) as nodes:
        for node in nodes:
            asyncio.run(serve(node.address))
        names = {node.name for node in nodes}
        # A call goes to nodes that are connected only: the first ones may all go to one.
        while asyncio.run(asked(target(nodes), 16)) != names:
            pass
        nodes[0].signal(signal.SIGKILL)
        assert asyncio.run(asked(target(nodes), 8)) == {nodes[1].name}
