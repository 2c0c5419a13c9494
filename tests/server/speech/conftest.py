from collections.abc import AsyncIterator

import pytest

from tests.server.speech.nodes import SpeechCaller, speaking


@pytest.fixture
async def caller() -> AsyncIterator[SpeechCaller]:
    async with speaking() as caller:
        yield caller
