"""Connections of the HTTP port beyond its bounds."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.ric.test_access import get
from tests.ric.test_http import serving
from tests.server.conftest import settings
from tests.workers.workers import until
from xapp.ric import doorway


async def opened(port: int, number: int, stack: AsyncExitStack) -> list[asyncio.Task[bytes]]:
    """So many connections that say nothing; each task ends when the node ends its connection."""
    tasks = []
    for _ in range(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        tasks.append(asyncio.create_task(reader.read()))
        stack.callback(tasks[-1].cancel)
    return tasks


@pytest.mark.parametrize("name", ["MAX_EACH", "MAX_CONNECTIONS"])
async def test_a_new_connection_takes_the_place_of_the_oldest(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(doorway, "MAX_EACH", 5)
    monkeypatch.setattr(doorway, name, 5)
    async with serving(settings()) as client, AsyncExitStack() as stack:
        tasks = await opened(client.port, 20, stack)
        await until(lambda: sum(task.done() for task in tasks) == 15)
        assert all(task.done() for task in tasks[:15])
        assert (await get(client.port, "/ric/v1/health/ready"))[0] == 200
