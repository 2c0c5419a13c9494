"""Connections of the HTTP port beyond its bounds."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.ric.test_access import get
from tests.ric.test_http import serving
from tests.server.conftest import settings
from tests.workers.workers import until
from xapp.edge.doorway import Room
from xapp.ric import http


async def opened(port: int, number: int, stack: AsyncExitStack) -> list[asyncio.Task[bytes]]:
    """So many connections that say nothing; each task ends when the node ends its connection."""
    tasks = []
    for _ in range(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        tasks.append(asyncio.create_task(reader.read()))
        stack.callback(tasks[-1].cancel)
    return tasks


@pytest.mark.parametrize("room", [Room(most=512, each=5), Room(most=5, each=512)])
async def test_a_new_connection_takes_the_place_of_the_oldest(
    monkeypatch: pytest.MonkeyPatch, room: Room
) -> None:
    monkeypatch.setattr(http, "ROOM", room)
    async with serving(settings()) as client, AsyncExitStack() as stack:
        tasks = await opened(client.port, 20, stack)
        await until(lambda: sum(task.done() for task in tasks) == 15)
        assert all(task.done() for task in tasks[:15])
        assert (await get(client.port, "/ric/v1/health/ready"))[0] == 200
