import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from tests.scripted_node import (
    ANSWER,
    Hang,
    ScriptedNode,
    bad_field,
    chunk,
    finished,
    scripted_node,
    started,
    unavailable,
)
from xapp.client import Client, ClientError, Retry, system, user

FAST = Retry(attempts=3, first_delay_s=0.001)


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


@pytest.fixture
async def client(node: ScriptedNode) -> AsyncIterator[Client]:
    async with Client(node.target, retry=FAST) as client:
        yield client


async def kinds(client: Client) -> list[str | None]:
    return [event.WhichOneof("event") async for event in client.generate("hi", deadline_s=20)]


async def test_events_come_in_order(client: Client, node: ScriptedNode) -> None:
    assert await kinds(client) == ["started", "chunk", "chunk", "finished"]
    assert node.requests[0].prompt == "hi"


async def test_text_alone_and_the_request_as_given(client: Client, node: ScriptedNode) -> None:
    messages = [system("Be brief."), user("hi")]
    text = [t async for t in client.stream_text(messages, max_tokens=5, stop=["x"], model="m")]
    assert text == ["Hello", " wörld"]
    request = node.requests[0]
    assert [m.role for m in request.chat.messages] == ["system", "user"]
    assert (request.max_tokens, list(request.stop), request.model) == (5, ["x"], "m")
    assert not request.HasField("sampling")


async def test_unavailable_is_tried_again_and_started_comes_once(client: Client, node: ScriptedNode) -> None:
    node.script = [[unavailable(0.001)], [started(seed=1), unavailable(0.001)], ANSWER]
    assert await kinds(client) == ["started", "chunk", "chunk", "finished"]
    assert len(node.requests) == 3


async def test_attempts_are_limited(client: Client, node: ScriptedNode) -> None:
    node.script = [[unavailable(0.001)]]
    with pytest.raises(ClientError, match="UNAVAILABLE: the model is loading") as caught:
        await kinds(client)
    assert len(node.requests) == 3
    assert (caught.value.reason, caught.value.retry_after_s) == ("LOADING", 0.001)


async def test_nothing_is_tried_again_after_text(client: Client, node: ScriptedNode) -> None:
    node.script = [[started(), chunk("a"), unavailable(0.001)]]
    stream = client.stream_text("hi")
    assert await anext(stream) == "a"
    with pytest.raises(ClientError, match="UNAVAILABLE"):
        await anext(stream)
    assert len(node.requests) == 1


async def test_no_attempt_that_the_deadline_forbids(client: Client, node: ScriptedNode) -> None:
    node.script = [[unavailable(4.0)]]
    with pytest.raises(ClientError, match="UNAVAILABLE"):
        await anext(client.generate("hi", deadline_s=3.0))
    assert len(node.requests) == 1


async def test_the_wrong_field_is_named(client: Client, node: ScriptedNode) -> None:
    node.script = [[bad_field("sampling.top_p")]]
    with pytest.raises(ClientError) as caught:
        await kinds(client)
    assert (caught.value.code, caught.value.field) == ("INVALID_ARGUMENT", "sampling.top_p")
    assert caught.value.metadata == {"field": "sampling.top_p"}


async def test_deadline_is_said_and_text_kept(client: Client, node: ScriptedNode) -> None:
    node.script = [[started(), chunk("a"), Hang()]]
    stream = client.stream_text("hi", deadline_s=0.5)
    assert await anext(stream) == "a"
    with pytest.raises(ClientError) as caught:
        await anext(stream)
    assert caught.value.code == "DEADLINE_EXCEEDED"


async def test_closing_the_stream_cancels_the_call(client: Client, node: ScriptedNode) -> None:
    node.script = [[started(), chunk("a"), Hang()]]
    async with aclosing(client.stream_text("hi")) as stream:
        assert await anext(stream) == "a"
    assert await asyncio.to_thread(node.ended.wait, 10)


async def test_cancelling_the_task_cancels_the_call(client: Client, node: ScriptedNode) -> None:
    node.script = [[started(), chunk("a"), Hang()]]
    first = asyncio.Event()

    async def consume() -> None:
        async for _ in client.stream_text("hi"):
            first.set()

    task = asyncio.create_task(consume())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(node.ended.wait, 10)


async def test_an_answer_without_text(client: Client, node: ScriptedNode) -> None:
    node.script = [[started(), finished(0)]]
    assert await kinds(client) == ["started", "finished"]


async def test_the_other_calls(client: Client) -> None:
    assert (await client.tokenize("abc")).num_tokens == 3
    assert [model.name for model in await client.list_models()] == ["m", "on-disk"]
    assert [sample.node async for sample in client.metrics(count=2, interval_s=0.1)] == ["pi-1", "pi-1"]


async def test_nobody_there() -> None:
    async with Client("127.0.0.1:1", retry=FAST) as client:
        with pytest.raises(ClientError, match="UNAVAILABLE"):
            await client.tokenize("x")
        with pytest.raises(ClientError, match="not serving after"):
            await client.wait_until_serving(0.1)
