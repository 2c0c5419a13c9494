"""A stream that is refused while its client still writes hears why."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from xapp.client.calls import Calls
from xapp.client.errors import ClientError
from xapp.client.keep_status import keeping_status
from xapp.client.retry import Retry

PIECES, PIECE = 200, b"x" * 3200


async def refuse(requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    await anext(requests)
    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")


class Refusing(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:
        unary = handler_call_details.method.endswith("Upload")
        make: Any = grpc.stream_unary_rpc_method_handler if unary else grpc.stream_stream_rpc_method_handler
        return make(refuse)


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Refusing(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    calls = Calls(
        f"127.0.0.1:{port}",
        credentials=None,
        retry=Retry(),
        client_id="",
        token="",
        affinity=0,
        server_name="",
    )
    yield calls
    await calls.close()
    await server.stop(None)


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(PIECES):
        yield PIECE


async def by_upload(calls: Calls) -> None:
    await calls.upload(calls.stub(lambda channel: channel.stream_unary("/a/Upload")), pieces(), 20)


async def by_stream(calls: Calls) -> None:
    async for _ in calls.stream(calls.stub(lambda channel: channel.stream_stream("/a/Talk")), pieces(), 20):
        pass


async def test_grpcio_ends_calls_where_their_status_is_kept() -> None:
    """Private names of grpcio: a version without them would lose the reason now and then, without a word."""
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        talk: Any = channel.stream_stream("/a/Talk")
        call = talk(pieces())
        core = call._cython_call
        assert callable(core.set_internal_error)
        keeping_status(call)
        assert call._cython_call is not core
        call._cython_call.set_internal_error("a write failed")
        assert not call.done()
        core.set_internal_error("a write failed")
        assert call.done(), "without the hook this is how a call loses its status"
        call.cancel()


@pytest.mark.parametrize("ask", [by_upload, by_stream])
async def test_a_refusal_keeps_its_reason(calls: Calls, ask: Any) -> None:
    errors = await asyncio.gather(*(ask(calls) for _ in range(10)), return_exceptions=True)
    assert [str(error) for error in errors] == ["RESOURCE_EXHAUSTED: full"] * 10
    assert all(isinstance(error, ClientError) for error in errors)
