"""A service is one entry: that serves its methods, and health and reflection tell of it."""

import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.server import shapes
from tests.server.conftest import Node
from tests.server.rich import details_of
from xapp.edge.watchdog import Watchdog
from xapp.served.changes import Changes
from xapp.server.boundary import Boundary
from xapp.server.grpc_service import GrpcService, methods_of
from xapp.server.receipt import Receipts
from xapp.server.request import reading
from xapp.server.services import with_health_and_reflection
from xapp.telemetry.metrics import Metrics

NAME = shapes.DESCRIPTOR.full_name


@contextlib.asynccontextmanager
async def serving(entry: GrpcService) -> AsyncIterator[grpc.aio.Channel]:
    services = with_health_and_reflection((entry,), lambda: True, Watchdog(30), Changes().subscribe)
    boundary = Boundary(Metrics(), [reading(Receipts(1 << 20))])
    server = grpc.aio.server(handlers=[methods_of(services, boundary)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(0)


def health(channel: grpc.aio.Channel) -> "health_pb2_grpc.HealthStub":
    return health_pb2_grpc.HealthStub(channel)


async def reflected(
    channel: grpc.aio.Channel, request: reflection_pb2.ServerReflectionRequest
) -> reflection_pb2.ServerReflectionResponse:
    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]))
    return await call.read()


def entry(serving: bool | None) -> GrpcService:
    status = None if serving is None else lambda: bool(serving)
    return GrpcService(shapes.DESCRIPTOR, shapes.add_to_server, shapes.Shapes(), status)


@pytest.mark.parametrize("status", [True, False])
async def test_health_asks_the_entry(status: bool) -> None:
    async with serving(entry(status)) as channel:
        whole = await health(channel).Check(health_pb2.HealthCheckRequest())
        own = await health(channel).Check(health_pb2.HealthCheckRequest(service=NAME))
    kinds = health_pb2.HealthCheckResponse
    assert whole.status == kinds.SERVING
    assert own.status == (kinds.SERVING if status else kinds.NOT_SERVING)


async def test_an_entry_may_be_unknown_to_health() -> None:
    async with serving(entry(None)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(channel).Check(health_pb2.HealthCheckRequest(service=NAME))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_reflection_lists_and_describes_the_entry() -> None:
    async with serving(entry(True)) as channel:
        ask = reflection_pb2.ServerReflectionRequest
        listed = await reflected(channel, ask(list_services=""))
        described = await reflected(channel, ask(file_containing_symbol=NAME))
    names = {each.name for each in listed.list_services_response.service}
    assert names == {NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert described.HasField("file_descriptor_response")


async def test_a_malformed_question_to_reflection_is_the_callers_error(node: Node) -> None:
    method = node.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")  # type: ignore[var-annotated]
    call = method()
    await call.write(b"\x1a\xff")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(caught.value).info.reason == "MALFORMED_REQUEST"


async def test_health_takes_whatever_a_caller_says_of_itself(node: Node) -> None:
    metadata = (("x-client-id", "x" * 200),)
    answer = await health(node.channel).Check(health_pb2.HealthCheckRequest(), metadata=metadata)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
