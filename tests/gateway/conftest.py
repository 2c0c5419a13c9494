from collections.abc import AsyncIterator

import pytest

from tests.gateway.gateways import Gateway, running


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running() as gateway:
        yield gateway
