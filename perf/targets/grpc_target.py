"""Our gRPC endpoint as a Target: asyncio, raw bytes, parsed after the stream has ended.

While tokens flow the client only reads and looks at the clock: what it measures it should not slow.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import grpc

from perf.record import result_schema
from perf.stream_figures import Arrival, Stream
from perf.targets.grpc_errors import CONNECT_TIMEOUT_S, target_error
from perf.targets.target import Answer, CompletionRequest, Input, TargetError
from xapp.hosts import channel_options
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc as rpc
from xapp.inference.v1 import models_pb2, models_pb2_grpc

_GENERATE = "/xapp.inference.v1.InferenceService/Generate"
_OPTIONS = (
    # A node that is starting again is found quickly; targets in one process do not share a connection.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcTarget:
    """One channel, made on first use; every request is a stream on it. `model` "" is the node's default."""

    def __init__(self, address: str, *, model: str = "", name: str = "genai-xapp") -> None:
        self._address = address
        self._model = model
        self._name = name
        self._channel_made: grpc.aio.Channel | None = None

    @property
    def _channel(self) -> grpc.aio.Channel:
        if self._channel_made is None:
            options = (*_OPTIONS, *channel_options(self._address))
            self._channel_made = grpc.aio.insecure_channel(self._address, options=options)
        return self._channel_made

    async def describe(self) -> result_schema.Target:
        """See Target. Waits at most CONNECT_TIMEOUT_S for the answer."""
        model = await self._served()
        self._model = model.name
        return result_schema.Target(
            name=self._name,
            kind="grpc",
            address=self._address,
            model=model.name,
            model_digest=model.digest,
            server="genai-xapp",
        )

    async def _served(self) -> models_pb2.Model:
        stub: Any = models_pb2_grpc.ModelServiceStub(self._channel)
        try:
            response = await stub.ListModels(models_pb2.ListModelsRequest(), timeout=CONNECT_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise target_error(self._address, error, connecting=True) from error
        return _pick(list(response.models), self._model, self._address)

    async def start(self, request: CompletionRequest) -> "GrpcCall":
        """See Target. A node that cannot be reached shows when the call is waited for."""
        message = request_of(request, self._model).SerializeToString()
        generate: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(_GENERATE)
        return GrpcCall(self._address, generate, message, request.deadline_s)

    async def complete(self, request: CompletionRequest) -> Answer:
        """See Target."""
        call = await self.start(request)
        try:
            return await call.finish()
        finally:
            call.close()

    async def count_tokens(self, input: Input) -> int:  # noqa: A002  (the contract's own word)
        """See Target."""
        stub: Any = rpc.InferenceServiceStub(self._channel)
        request = pb.TokenizeRequest(model=self._model, **_input(input))
        try:
            return int((await stub.Tokenize(request, timeout=CONNECT_TIMEOUT_S)).num_tokens)
        except grpc.aio.AioRpcError as error:
            raise target_error(self._address, error) from error

    async def aclose(self) -> None:
        """See Target."""
        channel, self._channel_made = self._channel_made, None
        if channel is not None:
            await channel.close()


class GrpcCall:
    """One Generate. A task reads it, so that a slow caller does not slow the stream."""

    def __init__(
        self,
        address: str,
        generate: "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]",
        message: bytes,
        deadline_s: float | None,
    ) -> None:
        self._address = address
        self._bytes_sent = len(message)
        self._times: list[float] = []
        self._messages: list[bytes] = []
        self._first = asyncio.Event()
        self.sent = time.monotonic()
        self._call = generate(message, timeout=deadline_s)
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        read, times, messages, clock = self._call.read, self._times, self._messages, time.monotonic
        while (message := await read()) is not grpc.aio.EOF:
            times.append(clock())
            messages.append(message)  # type: ignore[arg-type]
            if len(times) == 2:  # after Started
                self._first.set()

    async def first_token(self) -> None:
        """See Call."""
        first = asyncio.create_task(self._first.wait())
        await asyncio.wait((first, self._task), return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            first.cancel()
            await self.finish()

    async def finish(self) -> Answer:
        """See Call."""
        try:
            await self._task
        except grpc.aio.AioRpcError as error:
            raise target_error(self._address, error, begun=bool(self._messages)) from error
        return answer_of(self.sent, self._times, self._messages, bytes_sent=self._bytes_sent)

    def cancel(self) -> Stream:
        """See Call."""
        self.close()
        events = [pb.GenerateResponse.FromString(message) for message in self._messages]
        started = (each.started for each in events if each.HasField("started"))
        cached = next((each.num_cached_tokens for each in started), None)
        arrivals = [Arrival(at, chunk.num_tokens) for at, chunk in _chunks(self._times, events)]
        return Stream(self.sent, arrivals, cached)

    def close(self) -> None:
        """Ends it at the server, unless it has ended."""
        self._task.cancel()
        self._call.cancel()


def _pick(models: list[models_pb2.Model], wanted: str, address: str) -> models_pb2.Model:
    for model in models:
        if model.name == wanted or (not wanted and model.is_default):
            return model
    if not wanted and len(models) == 1:
        return models[0]
    names = ", ".join(model.name for model in models) or "none"
    raise TargetError("missing_model", f"{address} has no model {wanted or '(default)'!r}; it has: {names}")


def request_of(request: CompletionRequest, model: str = "") -> pb.GenerateRequest:
    """The message that asks for it."""
    priority = pb.Priority.Value(f"PRIORITY_{request.priority.upper()}") if request.priority else 0
    return pb.GenerateRequest(
        model=model,
        max_tokens=request.max_tokens,
        ignore_eos=request.ignore_eos,
        priority=priority,  # type: ignore[arg-type]  # 0 is PRIORITY_UNSPECIFIED
        **_input(request.input),
    )


def _input(given: Input) -> dict[str, Any]:
    if isinstance(given, str):
        return {"prompt": given}
    return {"chat": pb.Chat(messages=[pb.Message(role=turn.role, content=turn.content) for turn in given])}


def answer_of(sent: float, times: Sequence[float], messages: Iterable[bytes], bytes_sent: int) -> Answer:
    """The events of one Generate, and when they came. Raises TargetError when it is not whole."""
    raw = list(messages)
    events = [pb.GenerateResponse.FromString(message) for message in raw]
    if not events or not events[-1].HasField("finished"):
        raise TargetError("protocol", "the stream ended without Finished: no server of this contract")
    finished = events[-1].finished
    chunks = _chunks(times, events)
    usage, timing = finished.usage, finished.timing
    return Answer(
        sent=sent,
        arrivals=[Arrival(at, chunk.num_tokens) for at, chunk in chunks],
        text="".join(chunk.text for _, chunk in chunks),
        finish_reason=pb.FinishReason.Name(finished.finish_reason).removeprefix("FINISH_REASON_").lower(),
        num_prompt_tokens=usage.num_prompt_tokens,
        num_cached_tokens=usage.num_cached_tokens,
        num_completion_tokens=usage.num_completion_tokens,
        queue_s=timing.queue.ToNanoseconds() / 1e9,
        prefill_s=timing.prefill.ToNanoseconds() / 1e9,
        decode_s=timing.decode.ToNanoseconds() / 1e9,
        bytes_sent=bytes_sent,
        bytes_received=sum(map(len, raw)),
    )


def _chunks(times: Iterable[float], events: Iterable[pb.GenerateResponse]) -> list[tuple[float, pb.Chunk]]:
    pairs = zip(times, events, strict=True)
    return [(at, event.chunk) for at, event in pairs if event.HasField("chunk")]
