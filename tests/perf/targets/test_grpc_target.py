"""The gRPC target against a node that says what it is told to, and against what is no node."""

import asyncio
import threading
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import code_pb2

from perf.targets.grpc_target import GrpcTarget
from perf.targets.target import CompletionRequest, TargetError, Turn
from tests.scripted_node import (
    Fault,
    Hang,
    ScriptedNode,
    chunk,
    finished,
    scripted_node,
    started,
    unavailable,
)
from xapp.inference.v1 import inference_pb2 as pb


class Requests(list[pb.GenerateRequest]):
    """Tells when the first one has come."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def append(self, request: pb.GenerateRequest) -> None:
        super().append(request)
        self.begun.set()


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


async def asked(node: ScriptedNode, ask: CompletionRequest) -> TargetError:
    target = GrpcTarget(node.target)
    try:
        with pytest.raises(TargetError) as caught:
            await target.complete(ask)
    finally:
        await target.aclose()
    return caught.value


async def described(address: str) -> TargetError:
    target = GrpcTarget(address)
    try:
        with pytest.raises(TargetError) as caught:
            await target.describe()
    finally:
        await target.aclose()
    return caught.value


async def test_an_answer_has_text_counts_and_the_servers_times(node: ScriptedNode) -> None:
    last = finished(2)
    last.finished.timing.prefill.FromMilliseconds(250)
    last.finished.timing.decode.FromMilliseconds(500)
    node.script = [[started(), chunk("Hello"), chunk(" wörld"), last]]
    target = GrpcTarget(node.target)
    answer = await target.complete(CompletionRequest("Hi", 8, ignore_eos=True, priority="critical"))
    await target.aclose()
    assert answer.text == "Hello wörld"
    assert [arrival.num_tokens for arrival in answer.arrivals] == [1, 1]
    assert answer.sent < answer.arrivals[0].at <= answer.arrivals[1].at
    assert (answer.prefill_s, answer.decode_s) == (0.25, 0.5)
    assert answer.num_prompt_tokens == 3
    assert answer.finish_reason == "stop"
    assert answer.bytes_sent == node.requests[0].ByteSize()
    assert node.requests[0].priority == pb.PRIORITY_CRITICAL
    assert node.requests[0].ignore_eos


async def test_turns_become_a_chat(node: ScriptedNode) -> None:
    target = GrpcTarget(node.target)
    turns = (Turn("system", "Be brief."), Turn("user", "Hi"))
    await target.complete(CompletionRequest(turns, 8))
    assert [message.role for message in node.requests[0].chat.messages] == ["system", "user"]
    assert await target.count_tokens(turns) == len("Be brief.")
    await target.aclose()


async def test_describe_names_the_model(node: ScriptedNode) -> None:
    target = GrpcTarget(node.target)
    assert (await target.describe()).model == "m"
    await target.aclose()
    await target.aclose()


async def test_a_model_that_is_not_there_is_named_with_those_that_are(node: ScriptedNode) -> None:
    target = GrpcTarget(node.target, model="other")
    with pytest.raises(TargetError, match=r"no model 'other'; it has: m") as caught:
        await target.describe()
    assert caught.value.code == "missing_model"
    await target.aclose()


async def test_a_refusal_says_when_to_try_again(node: ScriptedNode) -> None:
    node.script = [[unavailable(1.5)]]
    error = await asked(node, CompletionRequest("Hi", 8))
    assert (error.code, error.retry_after_s) == ("refused", 1.5)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (code_pb2.RESOURCE_EXHAUSTED, "refused"),
        (code_pb2.INVALID_ARGUMENT, "invalid"),
        (code_pb2.NOT_FOUND, "missing_model"),
        (code_pb2.INTERNAL, "lost"),
    ],
)
async def test_statuses_become_codes(node: ScriptedNode, status: int, code: str) -> None:
    node.script = [[Fault(status, "no")]]
    assert (await asked(node, CompletionRequest("Hi", 8))).code == code


async def test_an_answer_that_breaks_off_is_lost(node: ScriptedNode) -> None:
    node.script = [[started(), chunk("Hel"), Fault(code_pb2.UNAVAILABLE, "gone")]]
    assert (await asked(node, CompletionRequest("Hi", 8))).code == "lost"


async def test_an_answer_without_finished_is_no_answer_of_this_contract(node: ScriptedNode) -> None:
    node.script = [[started(), chunk("Hel")]]
    assert (await asked(node, CompletionRequest("Hi", 8))).code == "protocol"


async def test_the_deadline_ends_the_call(node: ScriptedNode) -> None:
    node.script = [[started(), Hang()]]
    assert (await asked(node, CompletionRequest("Hi", 8, deadline_s=0.05))).code == "deadline"
    assert await asyncio.to_thread(node.ended.wait, 10)


async def test_cancelling_the_task_cancels_at_the_node(node: ScriptedNode) -> None:
    node.script = [[started(), Hang()]]
    node.requests = requests = Requests()
    target = GrpcTarget(node.target)
    task = asyncio.create_task(target.complete(CompletionRequest("Hi", 8)))
    assert await asyncio.to_thread(requests.begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(node.ended.wait, 10)
    await target.aclose()


async def test_nobody_listening_is_unreachable() -> None:
    assert (await described("127.0.0.1:1")).code == "unreachable"


async def test_an_http_server_is_told_from_a_node() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        error = await described(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert error.code == "protocol"
    assert "--openai" in str(error)


async def test_another_grpc_service_is_told_from_a_node() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    error = await described(f"127.0.0.1:{port}")
    await server.stop(None)
    assert error.code == "protocol"
    assert "no genai-xapp node" in str(error)
