"""A client of a genai-xapp node, for asyncio. Needs the base package only.

    async with Client("127.0.0.1:50051") as client:
        async for text in client.stream_text("What is O-RAN?", max_tokens=64, deadline_s=30):
            print(text, end="")

Every method raises ClientError. UNAVAILABLE is tried again, after as long as the server says, as
long as no text has come and the deadline allows.

A target may name several nodes: `dns:///NAME:PORT` of a headless Service, `ipv4:A:PORT,B:PORT`. Then calls
go to nodes in proportion to what they can take, and what one node refuses because it is not serving or
full is asked of another at once (`xapp.pool`).
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from xapp.hosts import DEFAULT_TARGET, channel_options, host_of, proxy_of
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc, models_pb2, models_pb2_grpc
from xapp.pool import HOME_KEY, Homes, another_node_may, by_home, is_pool, pool_options, prefix_key, weighted

_DETAILS = "grpc-status-details-bin"
_CLIENT_KEY = "x-client-id"
_AUTHORIZATION_KEY = "authorization"
_CLOSED = "Socket closed"
"""What gRPC says of a plain text connection to a port with TLS."""
_OPTIONS = (
    # A node that is starting again is found quickly.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
)

_T = TypeVar("_T")
_Input: TypeAlias = str | Sequence[pb.Message]
_Method: TypeAlias = Callable[..., Any]
_Metadata: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TaskCall:
    """A task in place of a prompt; `task` makes one."""

    name: str
    inputs: Mapping[str, Any]
    measured_at: float | None = None


_Asked: TypeAlias = "_Input | TaskCall"


class ClientError(Exception):
    """A call failed. `code` is the gRPC status, `reason` the server's own; "" or None is unknown."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        reason: str = "",
        field: str = "",
        retry_after_s: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.reason = reason
        self.field = field
        self.retry_after_s = retry_after_s
        self.metadata = dict(metadata or {})


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently UNAVAILABLE is tried again. Times in seconds."""

    attempts: int = 5
    first_delay_s: float = 0.2
    max_delay_s: float = 5.0

    def delay_s(self, attempt: int, error: ClientError) -> float:
        """Before the next attempt: what the server says, else doubling, with jitter."""
        jitter = random.uniform(1.0, 1.2)  # noqa: S311  no secret
        wanted = self.first_delay_s * 2.0**attempt if error.retry_after_s is None else error.retry_after_s
        return min(wanted, self.max_delay_s) * jitter


class Client:
    """One target; use it as an async context manager. Without `credentials`: plain text.

    `xapp.tls.credentials` makes `credentials`. `token` is the bearer token to show, `client_id` the name by
    which the quotas of a node know this client that asks nobody for credentials. `affinity`: so many calls at
    once with the same task or system prompt prefer the same node of several, which has computed that
    beginning already.
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
    ) -> None:
        self.target = target
        self._in_pool = is_pool(target)
        self._plain_text = credentials is None
        self._retry = retry or Retry()
        shown = {_CLIENT_KEY: client_id, _AUTHORIZATION_KEY: f"Bearer {token}" if token else ""}
        self._metadata = tuple((key, value) for key, value in shown.items() if value)
        self._channel = _channel(target, credentials, weighted(told_apart=not token))
        self._inference: Any = inference_pb2_grpc.InferenceServiceStub(self._channel)
        self._channels = [self._channel]
        self._homes: Homes | None = None
        if affinity and self._in_pool:
            self._homes = Homes(affinity)
            self._channels.append(_channel(target, credentials, by_home()))
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
        prompt: _Asked,
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
    ) -> AsyncGenerator[pb.GenerateResponse, None]:
        """The events of one answer. `prompt` is raw text, messages for the chat template, or a `task`.

        `deterministic`: the node gives the same answer again, bit for bit, whatever else it does.
        `format`: what `json_schema`, `grammar` or `choices` makes; Finished says whether it was kept.
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

    async def stream_text(self, prompt: _Asked, **options: Any) -> AsyncGenerator[str, None]:
        """The text alone; `options` are those of `generate`."""
        async with aclosing(self.generate(prompt, **options)) as events:
            async for event in events:
                if event.HasField("chunk"):
                    yield event.chunk.text

    async def metrics(
        self, *, interval_s: float | None = None, count: int | None = None
    ) -> AsyncIterator[pb.MetricsResponse]:
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
        prompt: _Asked,
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
        prompt: _Asked,
        *,
        model: str = "",
        max_tokens: int | None = None,
        priority: "pb.Priority.ValueType" = pb.PRIORITY_UNSPECIFIED,
        deadline_s: float | None = None,
        max_token_gap_s: float | None = None,
        deterministic: bool = False,
    ) -> pb.EstimateResponse:
        """What `generate` would take now, and whether the node would take it with that deadline."""
        request = pb.EstimateRequest(
            model=model,
            max_tokens=max_tokens,
            priority=priority,
            deadline=duration(deadline_s),
            max_token_gap=duration(max_token_gap_s),
            deterministic=deterministic,
            **input_fields(prompt),
        )
        response: pb.EstimateResponse = await self._unary(self._inference.Estimate, request, None)
        return response

    async def tokenize(
        self, prompt: _Input, *, model: str = "", deadline_s: float | None = None
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
        from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415  rarely needed

        check = health_pb2_grpc.HealthStub(self._channel).Check
        until = time.monotonic() + deadline_s
        while (left := until - time.monotonic()) > 0:
            with suppress(grpc.aio.AioRpcError):
                response = await check(health_pb2.HealthCheckRequest(), timeout=left, metadata=self._metadata)
                if response.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            await asyncio.sleep(min(0.05, left))
        raise ClientError("UNAVAILABLE", f"{self.target} is not serving after {deadline_s:g} s")

    def _attempts(self, deadline_s: float | None) -> "_Attempts":
        return _Attempts(self._retry, deadline_s, in_pool=self._in_pool)

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
        """What did not come from the node may be the word of a proxy that nobody thought of."""
        decoded = decode_error(error)
        if self._plain_text and decoded.code == "UNAVAILABLE" and _CLOSED in decoded.message:
            hint = "plain text was sent; a node with TLS needs credentials"
            return ClientError(decoded.code, f"{decoded.message} ({hint})")
        if decoded.code != "UNAVAILABLE" or decoded.reason or not (proxy := proxy_of(self.target)):
            return decoded
        hint = f"asked through the proxy {proxy}; no_proxy={host_of(self.target)} goes past it"
        return ClientError(decoded.code, f"{decoded.message} ({hint})")


class _Attempts:
    """The attempts of one call, which share its deadline. `closed` once an answer has begun.

    `moved` once another node of several was asked, which happens without waiting, and once.
    """

    def __init__(self, retry: Retry, deadline_s: float | None, *, in_pool: bool) -> None:
        self._retry = retry
        self._in_pool = in_pool
        self.moved = False
        self._until = None if deadline_s is None else time.monotonic() + deadline_s
        self._num_failed = 0
        self.closed = False

    def left_s(self) -> float | None:
        """Time left, None for no limit."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    async def again(self, error: ClientError) -> None:
        """Waits before the next attempt; raises `error` when there is none."""
        if self._may_move(error):
            self.moved = True
            return
        delay = self._retry.delay_s(self._num_failed, error)
        self._num_failed += 1
        left = self.left_s()
        if self.closed or error.code != "UNAVAILABLE" or self._num_failed >= self._retry.attempts:
            raise error
        if left is not None and left <= delay:
            raise error
        await asyncio.sleep(delay)

    def _may_move(self, error: ClientError) -> bool:
        left_s = self.left_s()
        in_time = left_s is None or left_s > 0
        is_open = self._in_pool and not self.moved and not self.closed
        return is_open and in_time and another_node_may(error.code, error.reason)


def task(name: str, inputs: Mapping[str, Any], *, measured_at: float | None = None) -> TaskCall:
    """Task `name`, or `name@version`, in place of a prompt; `measured_at` is in seconds since 1970."""
    return TaskCall(name, inputs, measured_at)


def user(content: str) -> pb.Message:
    """A turn of the user."""
    return pb.Message(role="user", content=content)


def system(content: str) -> pb.Message:
    """What the model should keep to."""
    return pb.Message(role="system", content=content)


def json_schema(schema: Mapping[str, Any] | str) -> pb.OutputFormat:
    """Holds the answer to a JSON schema, given as a value or as text."""
    return pb.OutputFormat(json_schema=schema if isinstance(schema, str) else json.dumps(schema))


def grammar(gbnf: str) -> pb.OutputFormat:
    """Holds the answer to a GBNF grammar."""
    return pb.OutputFormat(grammar=gbnf)


def choices(*texts: str) -> pb.OutputFormat:
    """Holds the answer to one of these."""
    return pb.OutputFormat(choices=pb.Choices(choices=texts))


def decode_error(error: grpc.aio.AioRpcError) -> ClientError:
    """With what the server's google.rpc details say."""
    facts: dict[str, Any] = {}
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            facts = _facts(value)
    return ClientError(error.code().name, error.details() or "", **facts)


def _facts(details: bytes) -> dict[str, Any]:
    from google.protobuf.message import DecodeError  # noqa: PLC0415  only after an error
    from google.rpc import error_details_pb2, status_pb2  # noqa: PLC0415

    facts: dict[str, Any] = {}
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    request = error_details_pb2.BadRequest()
    try:
        status = status_pb2.Status.FromString(details)
        for detail in status.details:
            if detail.Unpack(info):
                facts |= {"reason": info.reason, "metadata": info.metadata}
            elif detail.Unpack(retry):
                facts["retry_after_s"] = retry.retry_delay.ToNanoseconds() / 1e9
            elif detail.Unpack(request) and request.field_violations:
                facts["field"] = request.field_violations[0].field
    except DecodeError:
        # The status itself still says what happened.
        return {}
    return facts


def _channel(
    target: str, credentials: grpc.ChannelCredentials | None, balancing: dict[str, Any]
) -> grpc.aio.Channel:
    options = (*(pool_options(balancing) if is_pool(target) else _OPTIONS), *channel_options(target))
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


def input_fields(prompt: _Asked) -> dict[str, Any]:
    """The fields of a request that a prompt, messages or a task's call stand for."""
    if isinstance(prompt, TaskCall):
        return {"task": prompt.name, "inputs": _struct(prompt), "input_timestamp": _timestamp(prompt)}
    if isinstance(prompt, str):
        return {"prompt": prompt}
    return {"chat": pb.Chat(messages=prompt)}


def _struct(call: TaskCall) -> Struct:
    inputs = Struct()
    inputs.update(call.inputs)
    return inputs


def _timestamp(call: TaskCall) -> Timestamp | None:
    if call.measured_at is None:
        return None
    stamp = Timestamp()
    stamp.FromNanoseconds(round(call.measured_at * 1e9))
    return stamp


def duration(seconds: float | None) -> Duration | None:
    """The message, to the nanosecond; None stays None."""
    if seconds is None:
        return None
    whole, nanos = divmod(round(seconds * 1e9), 10**9)
    return Duration(seconds=whole, nanos=nanos)
