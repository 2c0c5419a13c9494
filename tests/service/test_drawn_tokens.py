"""The tokens of an answer with their log-probabilities, beside the text that they make."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.flat_settings import flat_settings
from tests.service.nodes import collect, finished_of, text_of
from xapp.domain.answers import Chunk
from xapp.domain.messages import SamplingParams
from xapp.domain.requests import Request
from xapp.service.service import NodeService

ASKED = Request("cell load", max_tokens=12, ignore_eos=True, sampling=SamplingParams(top_log_probabilities=2))


@pytest.fixture
async def service() -> AsyncIterator[NodeService]:
    values: dict[str, Any] = {"backend": "fake", "model": "tiny", "pin_tasks": False}
    async with NodeService(flat_settings(**values)) as service:
        await service.wait_ready()
        yield service


def is_told_whole(events: Any) -> bool:
    chunks = [event for event in events if isinstance(event, Chunk)]
    drawn = [token for chunk in chunks for token in chunk.drawn]
    text = b"".join(token.score.text for token in drawn)
    return (
        all(len(chunk.drawn) == chunk.num_tokens for chunk in chunks)
        and text.decode("utf-8", "replace") == text_of(events)
        and all(len(token.top) == 2 and token.score.log_probability <= 0 for token in drawn)
    )


async def test_the_tokens_of_each_chunk(service: NodeService) -> None:
    events = await collect(service, ASKED)
    assert finished_of(events).num_completion_tokens == 12
    assert is_told_whole(events)


async def test_a_request_that_joins_gets_them_all(service: NodeService) -> None:
    first, second = await asyncio.gather(collect(service, ASKED), collect(service, ASKED))
    assert is_told_whole(first)
    assert is_told_whole(second)
