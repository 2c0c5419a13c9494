"""The client itself: one channel to a node, and a method for each RPC."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc

from xapp.client.channel import explained, is_serving_within, open_channel
from xapp.client.errors import ClientError, decode_error
from xapp.client.inputs import Asked, Input, duration, input_fields
from xapp.client.retry import Attempts, Retry
from xapp.hosts import DEFAULT_TARGET
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc, models_pb2, models_pb2_grpc
from xapp.pool import HOME_KEY, Homes, by_home, is_pool, prefix_key, weighted

_CLIENT_KEY = "x-client-id"
_AUTHORIZATION_KEY = "authorization"
_Method: TypeAlias = Callable[..., Any]
_Metadata: TypeAlias = tuple[tuple[str, str], ...]


class Client:
    """One target; use it as an async context manager. Without `credentials`: plain text.

    `xapp.tls.credentials` makes `credentials`. `token` is the bearer token to show, `client_id` the name by
    which the quotas of a node know this client that asks nobody for credentials. `affinity`: so many calls at
    once with the same task or system prompt prefer the same node of several, which has computed that
    beginning already. `server_name` is the name in the node's certificate, where `target` is an address.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        retry: Retry | None = None,
        client_id: str = "",
        token: str = "",
        affinity: int = 0,
        server_name: str = "",
    ) -> None:
        self.target = target
        self._in_pool = is_pool(target)
        self._plain_text = credentials is None
        self._retry = retry or Retry()
        shown = {_CLIENT_KEY: client_id, _AUTHORIZATION_KEY: f"Bearer {token}" if token else ""}
        self._metadata = tuple((key, value) for key, value in shown.items() if value)
        self._channel = open_channel(target, credentials, weighted(told_apart=not token), server_name)
        self._inference: Any = inference_pb2_grpc.InferenceServiceStub(self._channel)
        self._channels = [self._channel]
        self._homes: Homes | None = None
        if affinity and self._in_pool:
            self._homes = Homes(affinity)
            self._channels.append(open_channel(target, credentials, by_home(), server_name))
            self._at_home: Any = inference_pb2_grpc.InferenceServiceStub(self._channels[1])
        self._models: Any = models_pb2_grpc.ModelServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all calls."""
        await asyncio.gather(*(channel.close() for channel in self._channels))

    async def generate(
        self,
        prompt: Asked,
        *,
        model: str = "",
        max_tokens: int | None = None,
        sampling: pb.SamplingParams | None = None,
        stop: Sequence[str] = (),
        ignore_eos: bool = False,
        priority: "pb.Priority.ValueType" = pb.PRIORITY_UNSPECIFIED,
        correlation_id: str = "",
        deadline_s: float | None = None,
        deadline_policy: "pb.DeadlinePolicy.ValueType" = pb.DEADLINE_POLICY_UNSPECIFIED,
        format: pb.OutputFormat | None = None,  # noqa: A002  the contract's name
        max_token_gap_s: float | None = None,
        deterministic: bool = False,
        strategy: pb.DecodingStrategy | None = None,
        routing: pb.Routing | None = None,
    ) -> AsyncGenerator[pb.GenerateResponse, None]:
        """The events of one answer. `prompt` is raw text, messages for the chat template, or a `task`.

        `deterministic`: the node gives the same answer again, bit for bit, whatever else it does.
        `format`: what `json_schema`, `grammar` or `choices` makes; Finished says whether it was kept.
        `strategy`: how the answer is decoded, for instance with guesses from its own text.
        `routing`: who answers, the node or its upstream.
        Closing the generator, or cancelling its task, cancels the request on the node.
        """
        request = pb.GenerateRequest(
            model=model,
            max_tokens=max_tokens,
            sampling=sampling,
            stop=stop,
            ignore_eos=ignore_eos,
            priority=priority,
            correlation_id=correlation_id,
            deadline_policy=deadline_policy,
            format=format,
            max_token_gap=duration(max_token_gap_s),
            deterministic=deterministic,
            strategy=strategy,
            routing=routing,
            **input_fields(prompt),
        )
        async with aclosing(self.generate_request(request, deadline_s=deadline_s)) as events:
            async for event in events:
                yield event

    async def generate_request(
        self, request: pb.GenerateRequest, *, deadline_s: float | None = None
    ) -> AsyncGenerator[pb.GenerateResponse, None]:
        """As `generate`, for a request that is a message already."""
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
            stub = self._at_home if goes_home else self._inference
            metadata = self._metadata_of(home) if goes_home else self._metadata
            call = stub.Generate(request, timeout=attempts.left_s(), metadata=metadata)
            started: pb.GenerateResponse | None = None
            try:
                async for event in call:
                    if attempts.closed:
                        yield event
                    elif event.HasField("started"):
                        # Kept until more comes: only then this attempt is the one.
                        started = event
                    else:
                        attempts.closed = True
                        if started is not None:
                            yield started
                        yield event
            except grpc.aio.AioRpcError as error:
                await attempts.again(self._error(error))
            else:
                return
            finally:
                call.cancel()

    async def stream_text(self, prompt: Asked, **options: Any) -> AsyncGenerator[str, None]:
        """The text alone; `options` are those of `generate`."""
        async with aclosing(self.generate(prompt, **options)) as events:
            async for event in events:
                if event.HasField("chunk"):
                    yield event.chunk.text

    async def metrics(
        self, *, interval_s: float | None = None, count: int | None = None
    ) -> AsyncGenerator[pb.MetricsResponse, None]:
        """Samples, every `interval_s` seconds (the server's default is 1), `count` of them or for ever."""
        request = pb.MetricsRequest(count=count, interval=duration(interval_s))
        call = self._inference.Metrics(request, metadata=self._metadata)
        try:
            async for sample in call:
                yield sample
        except grpc.aio.AioRpcError as error:
            raise self._error(error) from error
        finally:
            call.cancel()

    async def score(
        self,
        prompt: Asked,
        choices: Sequence[str] = (),
        *,
        model: str = "",
        normalize_by_length: bool = False,
        min_margin: float | None = None,
        include_tokens: bool = False,
        priority: "pb.Priority.ValueType" = pb.PRIORITY_UNSPECIFIED,
        correlation_id: str = "",
        deadline_s: float | None = None,
    ) -> pb.ScoreResponse:
        """How likely each of `choices` is as what follows; a leading space is the caller's to give.

        A `task` brings its own choices.
        """
        request = pb.ScoreRequest(
            model=model,
            choices=choices,
            normalize_by_length=normalize_by_length,
            min_margin=min_margin,
            include_tokens=include_tokens,
            priority=priority,
            correlation_id=correlation_id,
            **input_fields(prompt),
        )
        return await self.score_request(request, deadline_s=deadline_s)

    async def score_request(
        self, request: pb.ScoreRequest, *, deadline_s: float | None = None
    ) -> pb.ScoreResponse:
        """As `score`, for a request that is a message already."""
        with self._preferring_home(request) as home:
            first = (self._at_home.Score, self._metadata_of(home)) if home else None
            response: pb.ScoreResponse = await self._unary(self._inference.Score, request, deadline_s, first)
        return response

    async def estimate(
        self,
        prompt: Asked,
        *,
        model: str = "",
        max_tokens: int | None = None,
        priority: "pb.Priority.ValueType" = pb.PRIORITY_UNSPECIFIED,
        deadline_s: float | None = None,
        max_token_gap_s: float | None = None,
        deterministic: bool = False,
        strategy: pb.DecodingStrategy | None = None,
    ) -> pb.EstimateResponse:
        """What `generate` would take now, and whether the node would take it with that deadline."""
        request = pb.EstimateRequest(
            model=model,
            max_tokens=max_tokens,
            priority=priority,
            deadline=duration(deadline_s),
            max_token_gap=duration(max_token_gap_s),
            deterministic=deterministic,
            strategy=strategy,
            **input_fields(prompt),
        )
        response: pb.EstimateResponse = await self._unary(self._inference.Estimate, request, None)
        return response

    async def tokenize(
        self, prompt: Input, *, model: str = "", deadline_s: float | None = None
    ) -> pb.TokenizeResponse:
        """The prompt as the model sees it."""
        request = pb.TokenizeRequest(model=model, **input_fields(prompt))
        response: pb.TokenizeResponse = await self._unary(self._inference.Tokenize, request, deadline_s)
        return response

    async def list_tasks(self, *, deadline_s: float | None = None) -> list[pb.Task]:
        """The node's tasks, every version."""
        response = await self._unary(self._inference.ListTasks, pb.ListTasksRequest(), deadline_s)
        return list(response.tasks)

    async def list_models(self, *, deadline_s: float | None = None) -> list[models_pb2.Model]:
        """What the node serves or can load."""
        request = models_pb2.ListModelsRequest()
        response = await self._unary(self._models.ListModels, request, deadline_s)
        return list(response.models)

    async def load_model(
        self, name: str, *, deadline_s: float | None = None
    ) -> AsyncGenerator[models_pb2.LoadModelResponse, None]:
        """Loads a model that lies on the node; yields its progress, last the model that is READY."""
        request = models_pb2.LoadModelRequest(name=name)
        call = self._models.LoadModel(request, timeout=deadline_s, metadata=self._metadata)
        try:
            async for progress in call:
                yield progress
        except grpc.aio.AioRpcError as error:
            raise self._error(error) from error
        finally:
            call.cancel()

    async def unload_model(self, name: str, *, deadline_s: float | None = None) -> models_pb2.Model:
        """Lets its running streams finish, then gives its memory back."""
        request = models_pb2.UnloadModelRequest(name=name)
        response = await self._unary(self._models.UnloadModel, request, deadline_s)
        model: models_pb2.Model = response.model
        return model

    async def wait_until_serving(self, deadline_s: float) -> None:
        """Returns when the node's health says SERVING; raises ClientError after `deadline_s` seconds."""
        if not await is_serving_within(self._channel, deadline_s, self._metadata):
            raise ClientError("UNAVAILABLE", f"{self.target} is not serving after {deadline_s:g} s")

    def _attempts(self, deadline_s: float | None) -> Attempts:
        return Attempts(self._retry, deadline_s, in_pool=self._in_pool)

    @contextmanager
    def _preferring_home(self, request: pb.GenerateRequest | pb.ScoreRequest) -> Iterator[str]:
        """The key of the node that the call goes to first, "" for any; for the length of the call."""
        if self._homes is None:
            yield ""
            return
        key = prefix_key(request)
        with self._homes.place(key) as is_there:
            yield key if is_there else ""

    def _metadata_of(self, home: str) -> _Metadata:
        return (*self._metadata, (HOME_KEY, home))

    async def _unary(
        self,
        method: _Method,
        request: Any,
        deadline_s: float | None,
        first: tuple[_Method, _Metadata] | None = None,
    ) -> Any:
        """`first`: the method and the metadata of the first attempt, where they differ."""
        attempts = self._attempts(deadline_s)
        while True:
            call, metadata = first if first and not attempts.moved else (method, self._metadata)
            try:
                return await call(request, timeout=attempts.left_s(), metadata=metadata)
            except grpc.aio.AioRpcError as error:
                await attempts.again(self._error(error))

    def _error(self, error: grpc.aio.AioRpcError) -> ClientError:
        return explained(decode_error(error), self.target, plain_text=self._plain_text)
