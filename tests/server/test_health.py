"""Watch asks when something has changed, and only then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from grpc_health.v1 import health_pb2

from xapp.edge.watchdog import Watchdog
from xapp.served.changes import Changes
from xapp.server.health import HealthServicer

KINDS = health_pb2.HealthCheckResponse


class Node:
    """Whether it serves, how often that was asked, and what a watcher was told."""

    def __init__(self) -> None:
        self.serving = True
        self.num_asked = 0
        self.changes = Changes()
        self.asked = asyncio.Event()
        self.told: asyncio.Queue[int] = asyncio.Queue()

    def is_serving(self) -> bool:
        self.num_asked += 1
        self.asked.set()
        return self.serving

    async def write(self, message: health_pb2.HealthCheckResponse) -> None:
        self.told.put_nowait(message.status)

    async def until_asked(self) -> None:
        await self.asked.wait()
        self.asked.clear()


@asynccontextmanager
async def watching(node: Node) -> AsyncIterator["asyncio.Task[None]"]:
    servicer = HealthServicer({"": node.is_serving}, Watchdog(30), node.changes.subscribe)
    context: Any = node
    task = asyncio.create_task(servicer.Watch(health_pb2.HealthCheckRequest(), context))
    yield task
    task.cancel()
    await asyncio.wait([task])


async def test_a_watcher_asks_once_for_each_change_and_hears_of_another_status_only() -> None:
    node = Node()
    async with watching(node):
        assert await node.told.get() == KINDS.SERVING
        node.asked.clear()
        for _ in range(3):
            node.changes.notify()
            await node.until_asked()
        assert node.num_asked == 4
        assert node.told.empty()
        node.serving = False
        node.changes.notify()
        assert await node.told.get() == KINDS.NOT_SERVING


async def test_a_change_while_it_is_told_is_not_missed() -> None:
    node = Node()
    go_on = asyncio.Event()
    write = node.write

    async def slow(message: health_pb2.HealthCheckResponse) -> None:
        await go_on.wait()
        await write(message)

    node.write = slow  # type: ignore[method-assign]
    async with watching(node):
        await node.until_asked()
        node.serving = False
        node.changes.notify()
        go_on.set()
        assert [await node.told.get(), await node.told.get()] == [KINDS.SERVING, KINDS.NOT_SERVING]


async def test_who_leaves_is_told_no_more() -> None:
    node = Node()
    async with watching(node):
        await node.told.get()
    num_asked = node.num_asked
    node.changes.notify()
    assert not node.changes._listeners
    assert node.num_asked == num_asked
