"""What callers do, and their calls, against a server that says what it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from perf.callers.load_commands import Decode
from perf.callers.play_commands import play
from perf.callers.prompt_texts import Texts
from perf.compare.compare_loads import SharedPrefixLoad
from perf.targets.grpc_target import GrpcTarget
from perf.targets.target import CompletionRequest, TargetError
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc as rpc

Context = grpc.aio.ServicerContext[pb.GenerateRequest, pb.GenerateResponse]


class Scripted(rpc.InferenceServiceServicer):
    """Streams as many one-token chunks as asked for; counts words for tokens."""

    async def Generate(  # noqa: N802
        self, request: pb.GenerateRequest, context: Context
    ) -> AsyncIterator[pb.GenerateResponse]:
        yield pb.GenerateResponse(started=pb.Started(num_cached_tokens=3))
        for _ in range(request.max_tokens):
            yield pb.GenerateResponse(chunk=pb.Chunk(text="x", num_tokens=1))
        if request.max_tokens > 100:
            await asyncio.Event().wait()
        yield pb.GenerateResponse(finished=pb.Finished(usage=pb.Usage(num_cached_tokens=3)))

    async def Tokenize(  # noqa: N802
        self, request: pb.TokenizeRequest, context: object
    ) -> pb.TokenizeResponse:
        return pb.TokenizeResponse(num_tokens=len(request.prompt.split()))

    def Metrics(self, request: pb.MetricsRequest, context: object) -> AsyncIterator[pb.MetricsResponse]:  # noqa: N802
        raise NotImplementedError


@asynccontextmanager
async def grpc_target() -> AsyncIterator[GrpcTarget]:
    server = grpc.aio.server()
    rpc.add_InferenceServiceServicer_to_server(Scripted(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    target = GrpcTarget(f"127.0.0.1:{port}")
    try:
        yield target
    finally:
        await target.aclose()
        await server.stop(None)


async def test_grpc_stream_counts_chunks_only() -> None:
    async with grpc_target() as target:
        stream = (await (await target.start(CompletionRequest("hello", 5))).finish()).stream
    assert stream.num_tokens == 5
    assert stream.num_cached_tokens == 3


async def test_grpc_call_can_be_watched_and_cancelled() -> None:
    async with grpc_target() as target:
        call = await target.start(CompletionRequest("hello", 101))
        await call.first_token()
        assert call.cancel().num_tokens >= 1


async def test_first_token_of_a_failed_call_is_its_error() -> None:
    target = GrpcTarget("127.0.0.1:1")
    call = await target.start(CompletionRequest("hello", 5))
    with pytest.raises(TargetError):
        await call.first_token()
    await target.aclose()


async def test_prompts_at_once_get_their_tokens_each() -> None:
    async with grpc_target() as target:
        streams, single = await play(target, Decode(["a", "b", "c", "d"], 6))
    assert [stream.num_tokens for stream in streams] == [6, 6, 6, 6]
    assert single == []


async def test_callers_of_one_prefix_ask_once_then_at_once() -> None:
    async with grpc_target() as target:
        command = await SharedPrefixLoad().command(Texts(target.count_tokens), 1, queues=False)
        streams, single = await play(target, command)
    assert (len(streams), len(single)) == (4, 1)
