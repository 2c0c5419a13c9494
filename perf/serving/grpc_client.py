"""Our server as a Client: asyncio gRPC, raw bytes, parsed after the stream has ended."""

import asyncio
import time
from collections.abc import Iterable

import grpc

from perf.serving.call import Call
from perf.streams import Arrival, Stream
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc as rpc

_GENERATE = "/xapp.inference.v1.InferenceService/Generate"


class GrpcCall:
    """One Generate. A task reads it, so that a slow scenario does not slow the stream."""

    def __init__(self, call: "grpc.aio.UnaryStreamCall[bytes, bytes]") -> None:
        self.sent = time.monotonic()
        self._call = call
        self._times: list[float] = []
        self._messages: list[bytes] = []
        self._first = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        read, times, messages, clock = self._call.read, self._times, self._messages, time.monotonic
        while (message := await read()) is not grpc.aio.EOF:
            times.append(clock())
            messages.append(message)  # type: ignore[arg-type]
            if len(times) == 2:  # after Started
                self._first.set()

    async def first_token(self) -> None:
        """Returns when the first Chunk is there. Raises grpc.aio.AioRpcError."""
        first = asyncio.create_task(self._first.wait())
        await asyncio.wait((first, self._task), return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            first.cancel()
            await self._task

    async def finish(self) -> Stream:
        """Waits for Finished, then parses. Raises grpc.aio.AioRpcError."""
        await self._task
        return self._stream()

    def cancel(self) -> Stream:
        """Cancels the call; what came so far."""
        self._task.cancel()
        self._call.cancel()
        return self._stream()

    def _stream(self) -> Stream:
        return stream_of(self.sent, self._times, self._messages)


def stream_of(sent: float, times: Iterable[float], messages: Iterable[bytes]) -> Stream:
    """Chunks become arrivals; cached tokens come from Started."""
    responses = [pb.GenerateResponse.FromString(message) for message in messages]
    arrivals = [
        Arrival(at, response.chunk.num_tokens)
        for at, response in zip(times, responses, strict=True)
        if response.HasField("chunk")
    ]
    cached = next((each.started.num_cached_tokens for each in responses if each.HasField("started")), None)
    return Stream(sent, arrivals, cached)


class GrpcClient:
    """One channel; calls are streams on it."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.aio.insecure_channel(target)
        self._stub = rpc.InferenceServiceStub(self._channel)
        self._generate: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(
            _GENERATE, request_serializer=None, response_deserializer=None
        )

    async def generate(self, prompt: str, num_tokens: int) -> Call:
        """Starts one stream."""
        request = pb.GenerateRequest(prompt=prompt, max_tokens=num_tokens, ignore_eos=True)
        return GrpcCall(self._generate(request.SerializeToString()))

    async def num_tokens(self, text: str) -> int:
        """As Generate would see it."""
        answer = await self._stub.Tokenize(pb.TokenizeRequest(prompt=text))
        return int(answer.num_tokens)

    async def aclose(self) -> None:
        """Closes the channel."""
        await self._channel.close()
