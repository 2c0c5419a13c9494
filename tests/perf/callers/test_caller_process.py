"""The client process's parts against a stand-in, and against nobody."""

from itertools import pairwise

import pytest

from perf.callers import play_commands
from perf.callers.caller_process import answer, connect
from perf.callers.load_commands import (
    Arrivals,
    Command,
    Decode,
    Failed,
    Mixed,
    Prime,
    Seen,
    ServerAddress,
    SharedPrefix,
    Solo,
)
from perf.process_under_test import free_port
from perf.targets.target import StreamingTarget
from tests.perf.callers.stand_in import stand_in


def target(url: str) -> StreamingTarget:
    return connect(ServerAddress(openai=url, model="small"))


async def played(url: str, command: Command) -> Seen:
    reply = await answer(target(url), command)
    assert isinstance(reply, Seen), reply
    return reply


async def test_streams_at_once_bring_their_tokens() -> None:
    with stand_in() as server:
        seen = await played(server.url, Decode(["a", "b"], 5))
    assert [stream.num_tokens for stream in seen.streams] == [5, 5]
    assert seen.client_cpu_s > 0
    assert {request["prompt"] for request in server.requests} == {"a", "b"}
    assert all(request["ignore_eos"] and request["temperature"] == 0 for request in server.requests)


async def test_callers_who_come_one_by_one() -> None:
    with stand_in() as server:
        seen = await played(server.url, Arrivals(["a", "b", "c"], 2, 0.01))
    sent = [stream.sent for stream in seen.streams]
    assert all(after - before > 0.005 for before, after in pairwise(sent))
    assert [request["prompt"] for request in server.requests] == ["a", "b", "c"]


async def test_one_caller_and_prompts_that_are_only_computed() -> None:
    with stand_in() as server:
        alone = await played(server.url, Solo("a", 3, 200))
        primed = await played(server.url, Prime(["b", "c"]))
    assert [stream.num_tokens for stream in alone.streams] == [3]
    assert [stream.num_tokens for stream in primed.single] == [1, 1]
    assert primed.single[0].last_at <= primed.single[1].sent


async def test_a_long_prompt_among_running_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play_commands, "SETTLE_S", 0.01)
    with stand_in() as server:
        seen = await played(server.url, Mixed("alone", "newcomer", ["a", "b", "c"], 6))
    assert len(seen.streams) == 3
    assert [stream.num_tokens for stream in seen.single] == [1, 4]
    assert all(stream.sent < seen.single[1].sent for stream in seen.streams)


async def test_callers_of_one_prefix_come_after_the_first() -> None:
    with stand_in() as server:
        seen = await played(server.url, SharedPrefix("s 0", ["s 1", "s 2"], 2))
    (cold,) = seen.single
    assert all(stream.sent >= cold.last_at for stream in seen.streams)
    assert server.requests[0]["prompt"] == "s 0"


async def test_a_stream_that_ends_without_its_end_is_lost() -> None:
    with stand_in(dies_at=1) as server:
        reply = await answer(target(server.url), Decode(["a"], 3))
    assert isinstance(reply, Failed)
    assert reply.code == "lost"
    assert "[DONE]" in reply.message


async def test_nobody_there() -> None:
    reply = await answer(target(f"http://127.0.0.1:{free_port()}"), Decode(["a"], 3))
    assert isinstance(reply, Failed)
    assert reply.code == "unreachable"


async def test_our_endpoint_not_there() -> None:
    nobody = connect(ServerAddress(grpc=f"127.0.0.1:{free_port()}"))
    try:
        reply = await answer(nobody, Decode(["a"], 3))
    finally:
        await nobody.aclose()
    assert isinstance(reply, Failed)
    assert reply.code == "unreachable"
