"""Several answers to one request, and log-probabilities."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.gateway.gateways import Gateway, running
from tests.server.fake_service import FINISHED, FakeService, endless, started
from xapp.domain.answers import Chunk, DrawnToken, Event, TokenScore
from xapp.domain.requests import Request
from xapp.errors import Exhausted


async def seeded(request: Request) -> AsyncGenerator[Event, None]:
    """Says its seed."""
    yield started(request)
    yield Chunk(f"seed {request.seed}", 1)
    yield FINISHED


async def test_each_answer_has_a_seed_of_its_own() -> None:
    async with running(FakeService(seeded)) as gateway:
        answer = await gateway.chat(n=3, seed=5)
    texts = [choice["message"]["content"] for choice in answer.body["choices"]]
    assert texts == ["seed 5", "seed 6", "seed 7"]
    assert [choice["index"] for choice in answer.body["choices"]] == [0, 1, 2]
    assert answer.body["usage"]["prompt_tokens"] == 3
    assert answer.body["usage"]["completion_tokens"] == 6


async def test_streamed_answers_are_told_apart() -> None:
    async with running(FakeService(seeded)) as gateway:
        answer = await gateway.chat(n=2, seed=1, stream=True, stream_options={"include_usage": True})
    *chunks, usage = answer.events
    texts = {0: "", 1: ""}
    for chunk in chunks:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == {0: "seed 1", 1: "seed 2"}
    assert usage["usage"]["completion_tokens"] == 4


async def test_an_error_of_one_answer_ends_all() -> None:
    num_asked = 0

    async def script(request: Request) -> AsyncGenerator[Event, None]:
        nonlocal num_asked
        num_asked += 1
        if num_asked == 2:
            raise Exhausted("the queue is full", retry_after_s=3.0)
        async for event in endless("x", asyncio.Event())(request):
            yield event

    async with running(FakeService(script)) as gateway:
        answer = await gateway.chat(n=2)
        assert answer.error == (429, "queue_full", None)
        assert answer.headers["retry-after"] == "3"
        await asyncio.wait_for(gateway.service.closed.wait(), 20)


DRAWN = DrawnToken(TokenScore(7, b"\xc3", -0.5), (TokenScore(7, b"\xc3", -0.5), TokenScore(8, b"a", -1.5)))
SECOND = DrawnToken(TokenScore(9, b"\xa9b", -0.25))


async def scored(request: Request) -> AsyncGenerator[Event, None]:
    yield started(request)
    yield Chunk("éb", 2, (DRAWN, SECOND))
    yield FINISHED


CONTENT: list[dict[str, Any]] = [
    {
        "token": "�",
        "logprob": -0.5,
        "bytes": [0xC3],
        "top_logprobs": [
            {"token": "�", "logprob": -0.5, "bytes": [0xC3]},
            {"token": "a", "logprob": -1.5, "bytes": [97]},
        ],
    },
    {"token": "�b", "logprob": -0.25, "bytes": [0xA9, 98], "top_logprobs": []},
]


@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_of_a_chat(stream: bool) -> None:
    async with running(FakeService(scored)) as gateway:
        answer = await gateway.chat(logprobs=True, top_logprobs=2, stream=stream)
    choice = answer.events[1]["choices"][0] if stream else answer.body["choices"][0]
    assert choice["logprobs"] == {"content": CONTENT, "refusal": None}


@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_of_a_plain_completion(stream: bool) -> None:
    async with running(FakeService(scored)) as gateway:
        answer = await gateway.post("/v1/completions", {"prompt": "a", "logprobs": 2, "stream": stream})
    choice = answer.events[0]["choices"][0] if stream else answer.body["choices"][0]
    assert choice["logprobs"] == {
        "tokens": ["�", "�b"],
        "token_logprobs": [-0.5, -0.25],
        "top_logprobs": [{"�": -0.5, "a": -1.5}, {}],
        "text_offset": [0, 1],
    }


async def test_without_being_asked_there_are_none(gateway: Gateway) -> None:
    answer = await gateway.chat()
    assert answer.body["choices"][0]["logprobs"] is None
    assert gateway.service.requests[0].sampling.top_log_probabilities is None
