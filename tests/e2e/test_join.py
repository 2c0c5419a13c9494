"""Identical requests on the default model: computed once, streamed to all, whoever leaves."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.caller import CALL_S, Caller, calling, counted, rest_of, text_of, until
from tests.live import LiveServer, serving
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

NUM_TOKENS = 120
ASK = pb.GenerateRequest(prompt="The cell went down because", max_tokens=NUM_TOKENS, ignore_eos=True)


@pytest.fixture(scope="module")
def joining_server(default_model_path: Path) -> Iterator[LiveServer]:
    with serving({"XAPP_MODEL": str(default_model_path), "XAPP_JOIN_IDENTICAL": "true"}) as server:
        yield server


@pytest.fixture
async def caller(joining_server: LiveServer) -> AsyncIterator[Caller]:
    async with calling(joining_server) as caller:
        yield caller


async def decoded(caller: Caller) -> float:
    """Tokens that the worker has generated since it began."""
    return await counted(caller.server, "decode_tokens_total")


def check(events: list[pb.GenerateResponse]) -> str:
    """A whole answer's text; its usage is that of all of it."""
    usage = events[-1].finished.usage
    assert usage.num_completion_tokens == NUM_TOKENS
    assert sum(event.chunk.num_tokens for event in events) == NUM_TOKENS
    return text_of(events)


async def test_computed_once(caller: Caller) -> None:
    before, joined = await decoded(caller), await counted(caller.server, "joined_total")
    answers = await asyncio.gather(*(caller.generate(ASK) for _ in range(8)))
    assert len({check(events) for events in answers}) == 1
    assert sorted(events[0].started.joined for events in answers) == [False] + [True] * 7
    assert len({events[-1].finished.provenance.output_hash for events in answers}) == 1
    assert await decoded(caller) == before + NUM_TOKENS
    assert await counted(caller.server, "joined_total") == joined + 7


@pytest.mark.parametrize("leaving", [0, 1], ids=["the first one", "one that joined"])
async def test_one_is_cancelled_in_the_middle(caller: Caller, leaving: int) -> None:
    before = await decoded(caller)
    calls = [await caller.begin(ASK)]
    for _ in range(2):
        calls.append(caller.inference.Generate(ASK, timeout=CALL_S))
        started = (await calls[-1].read()).started
        assert started.joined
    left = calls.pop(leaving)
    left.cancel()
    # Their Started, and the first one's first Chunk, were read above.
    texts = [text_of(await rest_of(call)) for call in calls]
    assert len(texts[-1]) > NUM_TOKENS
    assert all(texts[-1].endswith(text) for text in texts)
    assert await decoded(caller) == before + NUM_TOKENS


async def test_without_anybody_left_it_ends(caller: Caller) -> None:
    before = await decoded(caller)
    endless = pb.GenerateRequest()
    endless.CopyFrom(ASK)
    endless.max_tokens = 1000
    calls = [await caller.begin(endless) for _ in range(3)]
    for call in calls:
        call.cancel()
    await until(caller.is_idle)
    assert await decoded(caller) < before + 500
