"""A service with a method of each shape, to try guards and entries on. It is in no `.proto` file."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.wrappers_pb2 import StringValue

from xapp.errors import FailedPrecondition
from xapp.server.boundary import Boundary
from xapp.server.call import Guard
from xapp.server.grpc_service import GrpcService, methods_of
from xapp.telemetry.metrics import Metrics

PACKAGE, NAME = "tests.shapes", "Shapes"


@dataclass(frozen=True)
class Shape:
    takes_stream: bool
    gives_stream: bool


SHAPES = {
    "UnaryUnary": Shape(takes_stream=False, gives_stream=False),
    "UnaryStream": Shape(takes_stream=False, gives_stream=True),
    "StreamUnary": Shape(takes_stream=True, gives_stream=False),
    "StreamStream": Shape(takes_stream=True, gives_stream=True),
    "Yielding": Shape(takes_stream=True, gives_stream=True),
}
"""By method. StreamStream writes its answers, Yielding is a generator."""
TIMEOUT_S = 10.0
_TYPE = ".google.protobuf.StringValue"


def _file() -> bytes:
    file = descriptor_pb2.FileDescriptorProto(name="tests/shapes.proto", package=PACKAGE, syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    service = file.service.add(name=NAME)
    for name, shape in SHAPES.items():
        service.method.add(
            name=name,
            input_type=_TYPE,
            output_type=_TYPE,
            client_streaming=shape.takes_stream,
            server_streaming=shape.gives_stream,
        )
    return bytes(file.SerializeToString())


_POOL: Any = descriptor_pool.Default()
_POOL.AddSerializedFile(_file())
DESCRIPTOR = _POOL.FindServiceByName(f"{PACKAGE}.{NAME}")


@dataclass
class Shapes:
    """Answers with what it is sent; `see` is called in the method, and "fail", "break" do what they say."""

    see: Callable[[], None] = lambda: None
    seen: list[str] = field(default_factory=list)

    def _answer(self, request: Any) -> StringValue:
        self.see()
        self.seen.append(request.value)
        if request.value == "fail":
            raise FailedPrecondition("not now", reason="NOT_NOW")
        if request.value == "break":
            raise ZeroDivisionError
        return StringValue(value=request.value)

    async def unary_unary(self, request: Any, context: Any) -> StringValue:
        return self._answer(request)

    async def unary_stream(self, request: Any, context: Any) -> None:
        for _ in range(2):
            await context.write(self._answer(request))

    async def stream_unary(self, requests: Any, context: Any) -> StringValue:
        return StringValue(value=" ".join([self._answer(each).value async for each in requests]))

    async def stream_stream(self, requests: Any, context: Any) -> None:
        async for request in requests:
            await context.write(self._answer(request))

    async def yielding(self, requests: Any, context: Any) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield self._answer(request)


def add_to_server(servicer: Shapes, server: Any) -> None:
    """As generated code does it."""
    kinds: Any = grpc
    makers = {
        "UnaryUnary": (kinds.unary_unary_rpc_method_handler, servicer.unary_unary),
        "UnaryStream": (kinds.unary_stream_rpc_method_handler, servicer.unary_stream),
        "StreamUnary": (kinds.stream_unary_rpc_method_handler, servicer.stream_unary),
        "StreamStream": (kinds.stream_stream_rpc_method_handler, servicer.stream_stream),
        "Yielding": (kinds.stream_stream_rpc_method_handler, servicer.yielding),
    }
    handlers = {
        name: make(
            method,
            request_deserializer=StringValue.FromString,
            response_serializer=StringValue.SerializeToString,
        )
        for name, (make, method) in makers.items()
    }
    server.add_registered_method_handlers(DESCRIPTOR.full_name, handlers)


@dataclass
class ShapesServer:
    """A server with nothing but this service, and a channel to it."""

    servicer: Shapes
    metrics: Metrics
    channel: grpc.aio.Channel

    async def call(
        self, method: str, *texts: str, metadata: Sequence[tuple[str, str]] = ()
    ) -> tuple[list[str], Any]:
        """The answers, and the call. A method of a single request is sent the first of the texts."""
        call = await self._begin(method, [body(text) for text in texts], metadata)
        if SHAPES[method].takes_stream:
            await call.done_writing()
        return await _answers(method, call), call

    async def refused(
        self, method: str, *bodies: bytes, metadata: Sequence[tuple[str, str]] = ()
    ) -> grpc.aio.AioRpcError:
        """The error of a call that the last of the bodies ends, or its first guard where there are none.

        A stream is not ended here: grpc.aio takes what it sends too late for a fault of its own.
        """
        call = await self._begin(method, bodies, metadata)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _answers(method, call)
        return caught.value

    async def _begin(self, method: str, bodies: Sequence[bytes], metadata: Sequence[tuple[str, str]]) -> Any:
        shape, channel = SHAPES[method], cast("Any", self.channel)
        kind = f"{_word(shape.takes_stream)}_{_word(shape.gives_stream)}"
        stub = getattr(channel, kind)(
            f"/{DESCRIPTOR.full_name}/{method}", response_deserializer=StringValue.FromString
        )
        options = {"metadata": tuple(metadata), "timeout": TIMEOUT_S}
        if not shape.takes_stream:
            return stub(bodies[0] if bodies else b"", **options)
        call = stub(**options)
        for each in bodies:
            await call.write(each)
        return call


def body(text: str) -> bytes:
    """A message on the wire."""
    return bytes(StringValue(value=text).SerializeToString())


def _word(stream: bool) -> str:
    return "stream" if stream else "unary"


async def _answers(method: str, call: Any) -> list[str]:
    answers = [each async for each in call] if SHAPES[method].gives_stream else [await call]
    return [each.value for each in answers]


@contextlib.asynccontextmanager
async def serving(
    guards: Sequence[Guard], see: Callable[[], None] = lambda: None
) -> AsyncIterator[ShapesServer]:
    servicer, metrics = Shapes(see), Metrics()
    entry = GrpcService(DESCRIPTOR, add_to_server, servicer, serving=lambda: True)
    server = grpc.aio.server(handlers=[methods_of([entry], Boundary(metrics, guards))])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield ShapesServer(servicer, metrics, channel)
    finally:
        await server.stop(0)
