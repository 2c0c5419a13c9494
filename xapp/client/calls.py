"""Calls: the channels to one target, repeated attempts, the home node of a call, and errors."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, TypeAlias

import grpc

from xapp.client.channel import explained, is_serving_within, open_channel
from xapp.client.errors import ClientError, decode_error
from xapp.client.keep_status import keeping_status
from xapp.client.retry import Attempts, Retry
from xapp.inference.v1 import embedding_pb2_grpc, inference_pb2_grpc, models_pb2_grpc
from xapp.inference.v1 import inference_pb2 as pb
from xapp.pool import HOME_KEY, Homes, by_home, is_pool, prefix_key, weighted
from xapp.retrieval.v1 import retrieval_pb2_grpc

_CLIENT_KEY = "x-client-id"
_AUTHORIZATION_KEY = "authorization"
_Method: TypeAlias = Callable[..., Any]
_Metadata: TypeAlias = tuple[tuple[str, str], ...]


class Calls:
    """The calls to one target. `inference`, `embedding`, `retrieval` and `models` are the stubs of its
    services.

    The arguments are those of `Client`. All methods raise ClientError.
    """

    def __init__(
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None,
        retry: Retry,
        client_id: str,
        token: str,
        affinity: int,
        server_name: str,
    ) -> None:
        self.target = target
        self._in_pool = is_pool(target)
        self._plain_text = credentials is None
        self._retry = retry
        shown = {_CLIENT_KEY: client_id, _AUTHORIZATION_KEY: f"Bearer {token}" if token else ""}
        self._metadata = tuple((key, value) for key, value in shown.items() if value)
        self._channel = open_channel(target, credentials, weighted(told_apart=not token), server_name)
        self._channels = [self._channel]
        self.inference: Any = inference_pb2_grpc.InferenceServiceStub(self._channel)
        self.embedding: Any = embedding_pb2_grpc.EmbeddingServiceStub(self._channel)
        self.retrieval: Any = retrieval_pb2_grpc.RetrievalServiceStub(self._channel)
        self.models: Any = models_pb2_grpc.ModelServiceStub(self._channel)
        self._homes: Homes | None = None
        if affinity and self._in_pool:
            self._homes = Homes(affinity)
            self._channels.append(open_channel(target, credentials, by_home(), server_name))
            self._at_home: Any = inference_pb2_grpc.InferenceServiceStub(self._channels[1])

    def stub(self, make: Callable[[grpc.aio.Channel], Any]) -> Any:
        """The stub of a further service of the target."""
        return make(self._channel)

    async def close(self) -> None:
        """Ends all calls."""
        await asyncio.gather(*(channel.close() for channel in self._channels))

    async def is_serving_within(self, deadline_s: float) -> bool:
        """Whether the node's health says SERVING within so many seconds."""
        return await is_serving_within(self._channel, deadline_s, self._metadata)

    async def unary(self, method: _Method, request: Any, deadline_s: float | None) -> Any:
        """The response of a method, tried again as Retry says."""
        return await self._unary(method, request, deadline_s, None)

    async def stream(
        self, method: _Method, request: Any, deadline_s: float | None = None
    ) -> AsyncGenerator[Any, None]:
        """The messages of a method, without a second try. `request` may be an iterator of requests."""
        call = keeping_status(method(request, timeout=deadline_s, metadata=self._metadata))
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise self._error(error) from error
        finally:
            call.cancel()

    async def upload(self, method: _Method, requests: AsyncIterator[Any], deadline_s: float | None) -> Any:
        """The response to a stream of requests, without a second try."""
        try:
            return await method(requests, timeout=deadline_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise self._error(error) from error

    async def score(self, request: pb.ScoreRequest, deadline_s: float | None) -> Any:
        """As `unary`, at the request's home first."""
        with self._preferring_home(request) as home:
            first = (self._at_home.Score, self._metadata_of(home)) if home else None
            return await self._unary(self.inference.Score, request, deadline_s, first)

    async def generate(
        self, request: pb.GenerateRequest, deadline_s: float | None
    ) -> AsyncGenerator[pb.GenerateResponse, None]:
        """The events of an answer, at the request's home first, tried again until the first text comes."""
        with self._preferring_home(request) as home:
            async with aclosing(self._generate(request, deadline_s, home)) as events:
                async for event in events:
                    yield event

    async def _generate(
        self, request: pb.GenerateRequest, deadline_s: float | None, home: str
    ) -> AsyncGenerator[pb.GenerateResponse, None]:
        attempts = self._attempts(deadline_s)
        while True:
            goes_home = home and not attempts.moved
            stub = self._at_home if goes_home else self.inference
            metadata = self._metadata_of(home) if goes_home else self._metadata
            call = stub.Generate(request, timeout=attempts.left_s(), metadata=metadata)
            started: pb.GenerateResponse | None = None
            ended = False
            try:
                async for event in call:
                    ended = ended or event.HasField("finished")
                    if attempts.closed:
                        yield event
                    elif event.HasField("started"):
                        # It is kept until more comes: only then this attempt is the answer.
                        started = event
                    else:
                        attempts.closed = True
                        if started is not None:
                            yield started
                        yield event
            except grpc.aio.AioRpcError as error:
                await attempts.again(self._error(error))
            else:
                if not ended:
                    raise ClientError("INTERNAL", f"{self.target} ended the answer without its last message")
                return
            finally:
                call.cancel()

    async def _unary(
        self,
        method: _Method,
        request: Any,
        deadline_s: float | None,
        first: tuple[_Method, _Metadata] | None,
    ) -> Any:
        """`first`: the method and the metadata of the first attempt, where they differ."""
        attempts = self._attempts(deadline_s)
        while True:
            call, metadata = first if first and not attempts.moved else (method, self._metadata)
            try:
                return await call(request, timeout=attempts.left_s(), metadata=metadata)
            except grpc.aio.AioRpcError as error:
                await attempts.again(self._error(error))

    def _attempts(self, deadline_s: float | None) -> Attempts:
        return Attempts(self._retry, deadline_s, in_pool=self._in_pool)

    @contextmanager
    def _preferring_home(self, request: pb.GenerateRequest | pb.ScoreRequest) -> Iterator[str]:
        """The key of the call's home node, "" without one. The call counts there during the block."""
        if self._homes is None:
            yield ""
            return
        key = prefix_key(request)
        with self._homes.place(key) as is_there:
            yield key if is_there else ""

    def _metadata_of(self, home: str) -> _Metadata:
        return (*self._metadata, (HOME_KEY, home))

    def _error(self, error: grpc.aio.AioRpcError) -> ClientError:
        return explained(decode_error(error), self.target, plain_text=self._plain_text)
