"""Hidden states through the whole node, on a worker with the fake backend."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from tests.flat_settings import flat_settings
from tests.workers.workers import until
from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.fake_rule import hidden_state
from xapp.domain.requests import Request
from xapp.errors import DeadlineExceeded, InvalidArgument, ModelError
from xapp.service.service import NodeService
from xapp.text.codec import TextCodec


@pytest.fixture
async def node() -> AsyncIterator[NodeService]:
    settings = flat_settings(model="fake", backend="fake", slots=4, context_length=400, kv_cells=600)
    async with NodeService(settings) as node:
        await node.wait_ready()
        yield node


def asked(text: str, **fields: object) -> Request:
    return Request(text, max_tokens=1, ignore_eos=True, **fields)  # type: ignore[arg-type]


async def test_the_state_is_that_of_the_whole_prompt(node: NodeService) -> None:
    found = await node.hidden_state(asked("Why is the sky blue?"))
    tokens = TextCodec(ByteVocab()).encode("Why is the sky blue?")
    assert list(found.values) == hidden_state(tokens)
    assert found.model_digest == node.get_model("").digest


async def test_many_at_once_beside_answers(node: NodeService) -> None:
    texts = [f"question {number} " * (1 + number) for number in range(12)]
    found = await asyncio.gather(*(node.hidden_state(asked(text)) for text in texts))
    codec = TextCodec(ByteVocab())
    assert [list(each.values) for each in found] == [hidden_state(codec.encode(text)) for text in texts]


@pytest.mark.parametrize("prompt", ["", "x" * 400])
async def test_a_prompt_that_does_not_fit_is_refused(node: NodeService, prompt: str) -> None:
    with pytest.raises(InvalidArgument):
        await node.hidden_state(asked(prompt))


async def test_a_deadline_that_passed_ends_it(node: NodeService) -> None:
    with pytest.raises(DeadlineExceeded):
        await node.hidden_state(asked("hi", deadline=monotonic() - 1))


async def test_cancelling_the_caller_frees_the_worker(node: NodeService) -> None:
    running = [asyncio.create_task(node.hidden_state(asked("hi " * 100 + str(n)))) for n in range(8)]
    await asyncio.sleep(0)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await until(lambda: node.samples()[0].stats.num_running == 0)
    assert (await node.hidden_state(asked("hi"))).values


async def test_a_state_that_is_not_finite_is_the_model_s_fault(
    node: NodeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xapp.service.hidden_state.is_finite", lambda _: False)
    with pytest.raises(ModelError, match="not finite"):
        await node.hidden_state(asked("hi"))
