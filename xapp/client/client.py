"""Client: a method for each RPC. `calls` makes the calls."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import grpc

from xapp.client.calls import Calls
from xapp.client.embedding_methods import EmbeddingMethods
from xapp.client.errors import ClientError
from xapp.client.inputs import Asked, Input, duration, input_fields
from xapp.client.retrieval_methods import RetrievalMethods
from xapp.client.retry import Retry
from xapp.client.voice import VoiceClient
from xapp.hosts import DEFAULT_TARGET
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import models_pb2


class Client(EmbeddingMethods, RetrievalMethods):
    """A client of one target, and an async context manager. Without `credentials` it speaks plain text.

    `xapp.tls.credentials` makes `credentials`. `token` is the bearer token of the calls. `client_id` is this
    client's name in the quotas of a node that needs no credentials. `affinity`: up to so many calls at once
    with the same task or system prompt prefer the same node of a pool, which has that beginning in its cache.
    `server_name` is the name in the node's certificate, where `target` is an address.
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
        self._calls = Calls(
            target,
            credentials=credentials,
            retry=retry or Retry(),
            client_id=client_id,
            token=token,
            affinity=affinity,
            server_name=server_name,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def voice(self) -> VoiceClient:
        """The node's services of speech, where it has them."""
        return VoiceClient(self._calls)

    async def close(self) -> None:
        """Ends all calls."""
        await self._calls.close()

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
        retrieval: pb.Retrieval | None = None,
    ) -> AsyncGenerator[pb.GenerateResponse, None]:
        """The events of one answer. `prompt` is raw text, messages for the chat template, or a `task`.

        `deterministic`: the node gives the same answer again, bit for bit, whatever else it does. `format`:
        the result of `json_schema`, `grammar` or `choices`; Finished says whether the answer has it.
        `strategy`: the decoding strategy, for instance with guesses from the answer's own text.
        `routing`: who answers, the node or its upstream. `retrieval`: answer with the passages of a
        collection. Closing the generator, or cancelling its task,
        cancels the request on the node.
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
            retrieval=retrieval,
            **input_fields(prompt),
        )
        async with aclosing(self.generate_request(request, deadline_s=deadline_s)) as events:
            async for event in events:
                yield event

    async def generate_request(
        self, request: pb.GenerateRequest, *, deadline_s: float | None = None
    ) -> AsyncGenerator[pb.GenerateResponse, None]:
        """As `generate`, for a request message."""
        async with aclosing(self._calls.generate(request, deadline_s)) as events:
            async for event in events:
                yield event

    async def stream_text(self, prompt: Asked, **options: Any) -> AsyncGenerator[str, None]:
        """The text of an answer. `options` are those of `generate`."""
        async with aclosing(self.generate(prompt, **options)) as events:
            async for event in events:
                if event.HasField("chunk"):
                    yield event.chunk.text

    async def metrics(
        self, *, interval_s: float | None = None, count: int | None = None
    ) -> AsyncGenerator[pb.MetricsResponse, None]:
        """Samples of the node's load, every `interval_s` seconds (by default 1): `count` samples, or without
        end.
        """
        request = pb.MetricsRequest(count=count, interval=duration(interval_s))
        async with aclosing(self._calls.stream(self._calls.inference.Metrics, request)) as samples:
            async for sample in samples:
                yield sample

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
        """The likelihood of each of `choices` behind the prompt. The caller adds a leading space where it
        needs one.

        A `task` has its own choices.
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
        """As `score`, for a request message."""
        response: pb.ScoreResponse = await self._calls.score(request, deadline_s)
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
        """The predicted times of `generate`, and whether the node would admit it with that deadline."""
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
        response: pb.EstimateResponse = await self._calls.unary(self._calls.inference.Estimate, request, None)
        return response

    async def tokenize(
        self, prompt: Input, *, model: str = "", deadline_s: float | None = None
    ) -> pb.TokenizeResponse:
        """The prompt in tokens, with the chat template applied."""
        request = pb.TokenizeRequest(model=model, **input_fields(prompt))
        response: pb.TokenizeResponse = await self._calls.unary(
            self._calls.inference.Tokenize, request, deadline_s
        )
        return response

    async def list_tasks(self, *, deadline_s: float | None = None) -> list[pb.Task]:
        """All versions of the node's tasks."""
        response = await self._calls.unary(self._calls.inference.ListTasks, pb.ListTasksRequest(), deadline_s)
        return list(response.tasks)

    async def list_models(self, *, deadline_s: float | None = None) -> list[models_pb2.Model]:
        """The models that the node serves or can load."""
        request = models_pb2.ListModelsRequest()
        response = await self._calls.unary(self._calls.models.ListModels, request, deadline_s)
        return list(response.models)

    async def load_model(
        self, name: str, *, deadline_s: float | None = None
    ) -> AsyncGenerator[models_pb2.LoadModelResponse, None]:
        """Loads a model of the node's models folder. Yields its progress, and last the READY model."""
        request, state = models_pb2.LoadModelRequest(name=name), models_pb2.MODEL_STATE_UNSPECIFIED
        async with aclosing(self._calls.stream(self._calls.models.LoadModel, request, deadline_s)) as states:
            async for progress in states:
                state = progress.model.state
                yield progress
        if state != models_pb2.MODEL_STATE_READY:
            raise ClientError("INTERNAL", f"{self.target} ended the load of {name!r} without a loaded model")

    async def unload_model(self, name: str, *, deadline_s: float | None = None) -> models_pb2.Model:
        """Unloads a model after its running streams have finished."""
        request = models_pb2.UnloadModelRequest(name=name)
        response = await self._calls.unary(self._calls.models.UnloadModel, request, deadline_s)
        model: models_pb2.Model = response.model
        return model

    async def wait_until_serving(self, deadline_s: float) -> None:
        """Returns when the node's health says SERVING; raises ClientError after `deadline_s` seconds."""
        if not await self._calls.is_serving_within(deadline_s):
            raise ClientError("UNAVAILABLE", f"{self.target} is not serving after {deadline_s:g} s")
