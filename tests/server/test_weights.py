"""What nodes report reaches the balancer of a client: the fuller node gets fewer calls."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest

from tests.server.conftest import running, settings
from tests.server.fake_service import FakeService
from xapp.client import Client
from xapp.domain.states import ModelSample

BATCH = 30


@dataclass
class Waiting(FakeService):
    """Says that a request would wait for this share of its time."""

    lateness: float = 0.0

    def samples(self) -> list[ModelSample]:
        return [replace(each, wait_s=self.lateness, budget_s=1.0) for each in super().samples()]


async def batch(client: Client, services: Sequence[FakeService]) -> list[int]:
    for service in services:
        service.requests.clear()
    for _ in range(BATCH):
        async for _ in client.stream_text("x", deadline_s=20):
            pass
    return [len(service.requests) for service in services]


@pytest.mark.parametrize("token", ["", "shown"], ids=["told apart", "told in trailers"])
async def test_the_fuller_node_gets_fewer_calls(token: str) -> None:
    services = [Waiting(lateness=0.1), Waiting(lateness=0.9)]
    async with AsyncExitStack() as held:
        nodes = [await held.enter_async_context(running(each, settings())) for each in services]
        name = "ipv4:" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        client = await held.enter_async_context(Client(name, token=token))
        async with asyncio.timeout(60):
            while True:
                free, full = await batch(client, services)
                # Both are connected, and the weights have come: 9 to 1, and a tenth of the mean at least.
                if full and free >= 3 * full:
                    return
                await asyncio.sleep(0.1)
