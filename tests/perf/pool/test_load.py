"""The callers of a pool, against scripted nodes and a clock that jumps."""

from collections.abc import Iterator

import pytest

from perf.pool.load import Call, Load, arrivals, goodput
from tests.perf.virtual import run
from tests.scripted_node import ANSWER, ScriptedNode, full, scripted_node
from xapp.client import Client


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


async def test_a_call_knows_its_node_and_its_end(node: ScriptedNode) -> None:
    async with Client(node.target) as client:
        load = Load(client, deadline_s=20)
        await load.ask()
    (call,) = load.calls
    assert call.good
    assert call.node == "m"
    assert call.begun_at is not None


async def test_a_refusal_is_no_good_answer(node: ScriptedNode) -> None:
    node.script = [[full()], ANSWER]
    async with Client(node.target) as client:
        load = Load(client, deadline_s=20)
        await load.ask()
        await load.ask()
    assert [call.code for call in load.calls] == ["DEADLINE_UNREACHABLE", ""]
    assert goodput(load.calls, 2.0) == 0.5


def test_arrivals_keep_their_times() -> None:
    async def count() -> int:
        return len([None async for _ in arrivals(lambda: 0.5, 10.0)])

    assert run(count()) == 19


def test_calls_are_of_a_time() -> None:
    load = Load(client=None, deadline_s=1, calls=[Call(1.0), Call(2.0), Call(3.0)])  # type: ignore[arg-type]
    assert [call.at for call in load.between(2.0, 3.0)] == [2.0]


def test_answers_are_of_the_time_in_which_they_end() -> None:
    calls = [Call(1.0, ended_at=2.0), Call(1.5, ended_at=3.5), Call(2.5), Call(2.9, ended_at=3.0)]
    load = Load(client=None, deadline_s=1, calls=calls)  # type: ignore[arg-type]
    assert [call.at for call in load.ended_between(2.0, 3.0)] == [1.0]
