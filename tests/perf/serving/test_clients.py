"""Both clients against servers that say what they are told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from perf.serving import scenarios
from perf.serving.grpc_client import GrpcClient
from perf.serving.http_client import HttpClient
from perf.serving.http_stream import HttpError
from perf.serving.workload import Texts, Work
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
        yield pb.GenerateResponse(finished=pb.Finished())

    async def Tokenize(  # noqa: N802
        self, request: pb.TokenizeRequest, context: object
    ) -> pb.TokenizeResponse:
        return pb.TokenizeResponse(num_tokens=len(request.prompt.split()))

    def Metrics(self, request: pb.MetricsRequest, context: object) -> AsyncIterator[pb.MetricsResponse]:  # noqa: N802
        raise NotImplementedError


@asynccontextmanager
async def grpc_client() -> AsyncIterator[GrpcClient]:
    server = grpc.aio.server()
    rpc.add_InferenceServiceServicer_to_server(Scripted(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = GrpcClient(f"127.0.0.1:{port}")
    try:
        yield client
    finally:
        await client.aclose()
        await server.stop(None)


@asynccontextmanager
async def http_client(body: bytes, status: bytes = b"200 OK") -> AsyncIterator[HttpClient]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield HttpClient("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


async def test_grpc_stream_counts_chunks_only() -> None:
    async with grpc_client() as client:
        stream = await (await client.generate("hello", 5)).finish()
    assert stream.num_tokens == 5
    assert stream.num_cached_tokens == 3


async def test_grpc_call_can_be_watched_and_cancelled() -> None:
    async with grpc_client() as client:
        call = await client.generate("hello", 101)
        await call.first_token()
        assert call.cancel().num_tokens >= 1


async def test_first_token_of_a_failed_call_is_its_error() -> None:
    client = GrpcClient("127.0.0.1:1")
    call = await client.generate("hello", 5)
    with pytest.raises(grpc.aio.AioRpcError):
        await call.first_token()
    await client.aclose()


async def test_decode_scenario_gives_each_stream_its_tokens() -> None:
    async with grpc_client() as client:
        streams = await scenarios.decode(client, Texts(client.num_tokens), Work(4, 16, 6))
    assert [stream.num_tokens for stream in streams] == [6, 6, 6, 6]


async def test_shared_prompt_scenario_asks_once_then_at_once() -> None:
    async with grpc_client() as client:
        found = await scenarios.shared_prompt(client, Texts(client.num_tokens), 1)
    assert len(found.at_once) == 4


async def test_http_stream_reads_until_the_server_closes() -> None:
    events = b"".join(b'data: {"tokens_predicted":%d}\n\n' % number for number in (1, 2, 3))
    async with http_client(events) as client:
        call = await client.generate("hello", 3)
        await call.first_token()
        assert (await call.finish()).num_tokens == 3


async def test_http_tokenize_counts() -> None:
    async with http_client(b'{"tokens":[1,2,3]}') as client:
        assert await client.num_tokens("hello") == 3


async def test_http_error_is_an_error() -> None:
    async with http_client(b"{}", b"503 Service Unavailable") as client:
        with pytest.raises(HttpError, match="503"):
            await client.num_tokens("hello")
