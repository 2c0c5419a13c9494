"""Several nodes behind one target, as the Python client sees them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.scripted_node import (
    ANSWER,
    Fault,
    Hang,
    ScriptedNode,
    chunk,
    full,
    scripted_node,
    started,
    unavailable,
)
from xapp.client import Client, ClientError, Retry, system, task, user
from xapp.inference.v1 import inference_pb2 as pb
from xapp.pool import Homes, another_node_may, is_pool, prefix_key

FAST = Retry(attempts=1)
IN_TIME_S = 20.0


@pytest.fixture
def nodes() -> Iterator[list[ScriptedNode]]:
    with ExitStack() as held:
        yield [held.enter_context(scripted_node()) for _ in range(2)]


def target(nodes: list[ScriptedNode]) -> str:
    return "ipv4:" + ",".join(node.target for node in nodes)


async def ask(client: Client, prompt: str = "x") -> str:
    return "".join([text async for text in client.stream_text(prompt, deadline_s=IN_TIME_S)])


async def reach_all(client: Client, nodes: list[ScriptedNode]) -> None:
    """A call goes to nodes that are connected only."""
    async with asyncio.timeout(IN_TIME_S):
        while not all(node.requests for node in nodes):
            await ask(client)
    for node in nodes:
        node.requests.clear()


@pytest.fixture
async def client(nodes: list[ScriptedNode]) -> AsyncIterator[Client]:
    async with Client(target(nodes), retry=FAST) as client:
        await reach_all(client, nodes)
        yield client


SEVERAL = ["dns:///pods.ricxapp:50051", "dns:pods:1", "ipv4:10.0.0.1:1,10.0.0.2:1", "ipv6:[::1]:1,[::1]:2"]
ONE = [
    "127.0.0.1:50051",
    "node:50051",
    "dns:///localhost:1",
    "dns:///10.0.0.1:1",
    "ipv4:10.0.0.1:1",
    "unix:/x",
]


@pytest.mark.parametrize("name", SEVERAL)
def test_what_may_name_several_nodes(name: str) -> None:
    assert is_pool(name)


@pytest.mark.parametrize("name", ONE)
def test_what_names_one_node(name: str) -> None:
    assert not is_pool(name)


@pytest.mark.parametrize("refusal", [full(), full("QUEUE_FULL"), unavailable(60)])
async def test_what_one_node_refuses_is_asked_of_another(
    client: Client, nodes: list[ScriptedNode], refusal: Fault
) -> None:
    nodes[0].script = [[refusal]]
    for _ in range(4):
        assert await ask(client) == "Hello wörld"
    assert len(nodes[0].requests) > 0
    assert len(nodes[1].requests) == 4


async def test_it_is_asked_once(client: Client, nodes: list[ScriptedNode]) -> None:
    for node in nodes:
        node.script = [[full()]]
    with pytest.raises(ClientError) as caught:
        await ask(client)
    assert caught.value.reason == "DEADLINE_UNREACHABLE"
    assert sum(len(node.requests) for node in nodes) == 2


async def test_it_is_not_asked_once_text_has_come(client: Client, nodes: list[ScriptedNode]) -> None:
    for node in nodes:
        node.script = [[started(), chunk("a"), unavailable(0.01)]]
    with pytest.raises(ClientError, match="UNAVAILABLE"):
        await ask(client)
    assert sum(len(node.requests) for node in nodes) == 1


async def test_what_the_caller_did_wrong_is_not_asked_again(
    client: Client, nodes: list[ScriptedNode]
) -> None:
    for node in nodes:
        node.script = [[full("DEADLINE_TOO_SHORT")]]
    with pytest.raises(ClientError, match="RESOURCE_EXHAUSTED"):
        await ask(client)
    assert sum(len(node.requests) for node in nodes) == 1


async def test_a_single_node_is_asked_as_before(nodes: list[ScriptedNode]) -> None:
    nodes[0].script = [[full()], ANSWER]
    async with Client(nodes[0].target) as client:
        with pytest.raises(ClientError, match="RESOURCE_EXHAUSTED"):
            await ask(client)
    assert len(nodes[0].requests) == 1


async def test_the_same_beginning_has_the_same_home(nodes: list[ScriptedNode]) -> None:
    async with Client(target(nodes), affinity=4) as client:
        await reach_all(client, nodes)
        for number in range(8):
            chat = [system("You watch a cell."), user(f"question {number}")]
            async for _ in client.generate(chat, deadline_s=IN_TIME_S):
                pass
        assert sorted(len(node.requests) for node in nodes) == [0, 8]


async def test_a_home_that_is_late_is_left(nodes: list[ScriptedNode]) -> None:
    async with Client(target(nodes), affinity=4, retry=FAST) as client:
        await reach_all(client, nodes)
        call = task("triage", {"line": "x"})
        async for _ in client.generate(call, deadline_s=IN_TIME_S):
            pass
        home, other = sorted(nodes, key=lambda node: -len(node.requests))
        home.script = [[full()]]
        other.requests.clear()
        async with asyncio.timeout(IN_TIME_S):
            # The balancer may choose the home once more: it does not know yet that it is late.
            while not other.requests:
                with suppress(ClientError):
                    async for _ in client.generate(call, deadline_s=IN_TIME_S):
                        pass


async def test_a_home_takes_so_many_calls_at_once(nodes: list[ScriptedNode]) -> None:
    for node in nodes:
        node.script = [[started(), chunk("a"), Hang()]]
    async with Client(target(nodes), affinity=2) as client:
        streams = [client.stream_text([system("s"), user("x")], deadline_s=IN_TIME_S) for _ in range(6)]
        for stream in streams:
            assert await anext(stream) == "a"
        # Two at home; of the other four the balancer gives each node some.
        assert all(len(node.requests) >= 1 for node in nodes)
        for stream in streams:
            await stream.aclose()


def test_keys_are_of_tasks_and_system_prompts() -> None:
    def chat(*messages: pb.Message) -> pb.GenerateRequest:
        return pb.GenerateRequest(chat=pb.Chat(messages=messages))

    assert prefix_key(pb.GenerateRequest(prompt="x")) == prefix_key(chat(user("x"))) == ""
    assert prefix_key(chat(system("s"), user("a"))) == prefix_key(chat(system("s"), user("b"))) != ""
    keys = {
        prefix_key(chat(system("s"))),
        prefix_key(chat(system("t"))),
        prefix_key(pb.GenerateRequest(task="s")),
        prefix_key(pb.ScoreRequest(task="s", model="m")),
    }
    assert len(keys) == 4


def test_homes_are_bounded_and_forgotten() -> None:
    homes = Homes(2)
    with (
        homes.place("a") as first,
        homes.place("a") as second,
        homes.place("a") as third,
        homes.place("b") as other,
    ):
        assert (first, second, third, other) == (True, True, False, True)
    with homes.place("a") as again, homes.place("") as nowhere:
        assert (again, nowhere) == (True, False)
    assert not homes._num_there


def test_another_node_may_do_what_this_one_cannot_now() -> None:
    assert another_node_may("UNAVAILABLE", "")
    assert another_node_may("RESOURCE_EXHAUSTED", "QUEUE_FULL")
    assert not another_node_may("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
    assert not another_node_may("INVALID_ARGUMENT", "INVALID_ARGUMENT")
