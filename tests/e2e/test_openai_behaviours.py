"""Each of the forty behaviours on a real server with the default model."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from tests.e2e.gateways import LiveGateway
from tests.e2e.openai_behaviours import BEHAVIOURS, Asker

pytestmark = pytest.mark.slow
MODEL = "smollm2-135m-q4_1"


@pytest.fixture
async def client(live_gateway: LiveGateway) -> AsyncIterator[AsyncOpenAI]:
    async with live_gateway.client() as client:
        yield client


def test_there_are_forty() -> None:
    assert len(BEHAVIOURS) == 40


@pytest.mark.parametrize("name", BEHAVIOURS)
async def test_the_server_behaves_so(client: AsyncOpenAI, name: str) -> None:
    await BEHAVIOURS[name](Asker(client, MODEL))
