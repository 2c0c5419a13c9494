"""gRPC reflection with a bound on its streams, which otherwise never end."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha import reflection_pb2 as pb

from xapp.edge.limit import Limit
from xapp.errors import Exhausted
from xapp.server.symbols import SymbolPool

SERVICE_NAME: str = reflection.SERVICE_NAME
MAX_STREAMS = 16
"""Each stream may hold one half-sent message of the largest size."""
TIMEOUT_S = 60.0
"""Longest time of a stream, seconds: a tool needs only a few answers."""
_RETRY_AFTER_S = 5.0


class ReflectionServicer(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # untyped base
    """At most MAX_STREAMS streams, each for at most TIMEOUT_S."""

    def __init__(self, names: tuple[str, ...], timeout_s: float = TIMEOUT_S) -> None:
        super().__init__((*names, SERVICE_NAME), SymbolPool())
        self._timeout_s = timeout_s
        self._limit = Limit("reflection streams", MAX_STREAMS)

    async def ServerReflectionInfo(  # noqa: N802
        self,
        request_iterator: AsyncIterable[pb.ServerReflectionRequest],
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> AsyncIterator[pb.ServerReflectionResponse]:
        """The answers of the base class, until the client ends the stream or its time is over."""
        try:
            with self._limit.hold():
                async with asyncio.timeout(self._timeout_s):
                    async for answer in super().ServerReflectionInfo(request_iterator, context):
                        yield answer
        except TimeoutError:
            text = f"a reflection stream may be open for {self._timeout_s:g} s"
            raise Exhausted(text, reason="TOO_MANY_STREAMS", retry_after_s=_RETRY_AFTER_S) from None
