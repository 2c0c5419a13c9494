"""Another genai-xapp node as the upstream, over gRPC."""

from collections.abc import AsyncGenerator
from time import monotonic
from typing import Any

import grpc

from xapp import hops
from xapp.client.channel import open_channel
from xapp.client.errors import decode_error
from xapp.domain.answers import Event
from xapp.domain.requests import Request
from xapp.inference.v1 import inference_pb2_grpc
from xapp.pool import weighted
from xapp.routing.destination import UpstreamError
from xapp.routing.node_wire import to_event, to_wire
from xapp.routing.plain_request import beyond_plain


class NodeUpstream:
    """`target` is HOST:PORT, or several nodes as for the client. `token` is shown if there is one."""

    def __init__(
        self, target: str, model: str, token: str, credentials: grpc.ChannelCredentials | None
    ) -> None:
        self.name = target
        self._model = model
        self._token = token
        self._channel = open_channel(target, credentials, weighted(told_apart=not token))
        self._stub: Any = inference_pb2_grpc.InferenceServiceStub(self._channel)

    def lacks(self, request: Request) -> str:
        """What is more than text and common parameters."""
        return beyond_plain(request)

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """See Upstream. The call has the time that is left until the request's deadline."""
        left_s = None if request.deadline is None else max(0.0, request.deadline - monotonic())
        call = self._stub.Generate(
            to_wire(request, self._model), timeout=left_s, metadata=self._metadata(request)
        )
        try:
            async for event in call:
                yield to_event(event, request)
        except grpc.aio.AioRpcError as error:
            told = decode_error(error)
            raise UpstreamError(f"{told.code} {told.reason}: {told.message}"[:200]) from error
        finally:
            call.cancel()

    def _metadata(self, request: Request) -> tuple[tuple[str, str], ...]:
        count = (hops.KEY, str(min(request.hops + 1, hops.MAX_HOPS)))
        return (count, ("authorization", f"Bearer {self._token}")) if self._token else (count,)

    async def aclose(self) -> None:
        """Ends all requests."""
        await self._channel.close()
