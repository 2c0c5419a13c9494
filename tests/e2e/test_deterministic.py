"""Answers that can be repeated bit for bit, on the default model beside other callers."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.live import LiveServer
from xapp.cli import main
from xapp.client import Client, user
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow
REPEATS = 3
QUESTION = [user("What does a near-real-time RIC do in a mobile network? Answer in one sentence.")]


@pytest.fixture
async def client(live_model_server: LiveServer) -> AsyncIterator[Client]:
    async with Client(live_model_server.target) as client:
        yield client


async def ask(client: Client, sampling: pb.SamplingParams | None = None) -> str:
    """The answer's text and what made it."""
    text = ""
    events = client.generate(
        QUESTION, max_tokens=12, deterministic=True, sampling=sampling, priority=pb.PRIORITY_BATCH
    )
    async for event in events:
        text += event.chunk.text
        if event.HasField("started"):
            assert event.started.num_cached_tokens == 0
            assert not event.started.joined
    return text


async def crowd(client: Client, number: int) -> None:
    """One caller after the other, of the same question and of others."""
    for turn in count():
        prompt = QUESTION if turn % 3 == 0 else [user(f"Tell me story {number}, {turn}. " * (turn % 4 + 1))]
        async for _ in client.generate(prompt, max_tokens=16, ignore_eos=True):
            pass


@pytest.mark.parametrize("sampling", [None, pb.SamplingParams(temperature=1.0, seed=5)])
async def test_the_same_alone_and_in_a_crowd(client: Client, sampling: pb.SamplingParams | None) -> None:
    alone = await ask(client, sampling)
    callers = [asyncio.create_task(crowd(client, number)) for number in range(3)]
    try:
        assert [await ask(client, sampling) for _ in range(REPEATS)] == [alone] * REPEATS
        assert await asyncio.gather(*(ask(client, sampling) for _ in range(3))) == [alone] * 3
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    assert alone


async def test_what_was_recorded_alone_is_replayed_in_a_crowd(
    client: Client, live_model_server: LiveServer, tmp_path: Path
) -> None:
    file, target = str(tmp_path / "answer.json"), ("--target", live_model_server.target)
    question = ("generate", "What is O-RAN?", "--max-tokens", "12")
    recorded = await asyncio.to_thread(CliRunner().invoke, main, [*question, "--record", file, *target])
    assert recorded.exit_code == 0
    callers = [asyncio.create_task(crowd(client, number)) for number in range(3)]
    try:
        replayed = await asyncio.to_thread(CliRunner().invoke, main, ["replay", file, *target])
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    assert (replayed.exit_code, replayed.output[:5]) == (0, "same:")
