"""One caller of a server of ours, in a process of its own, for what only our contract has.

`python -m perf.promises.contract_caller HOST:PORT [CLIENT-ID]` answers each command with a list.
"""

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import msgspec

from perf import json_child
from perf.targets.grpc_target import request_of
from perf.targets.target import CompletionRequest
from xapp.client import Client
from xapp.inference.v1 import inference_pb2 as pb

_SERVICE = "/xapp.inference.v1.InferenceService/"
_TIMEOUT_S = 120.0


class Call(msgspec.Struct, frozen=True):
    """A Generate or a Score, as a serialized message, so long after the call before it."""

    request: bytes
    score: bool = False
    pause_s: float = 0.0


class Called(msgspec.Struct, frozen=True):
    """What came of it, seconds from the call. `first_s` is None for a Score."""

    end_s: float
    first_s: float | None
    num_prompt_tokens: int
    num_cached_tokens: int
    num_completion_tokens: int

    @property
    def token_s(self) -> float:
        """Seconds a token after the first."""
        assert self.first_s is not None
        return (self.end_s - self.first_s) / (self.num_completion_tokens - 1)


class Calls(msgspec.Struct, frozen=True, tag=True):
    """One after another; answered with list[Called]."""

    calls: list[Call]


class Foretell(msgspec.Struct, frozen=True, tag=True):
    """So many callers, each with Estimate before each Generate; answered with list[Foretold]."""

    requests: list[CompletionRequest]
    concurrency: int


class Foretold(msgspec.Struct, frozen=True):
    """Completion as predicted, and as it was; seconds. And the tokens of the answer.

    `number` counts from 0 in the order of asking.
    """

    number: int
    p50_s: float
    p95_s: float
    real_s: float
    p50_tokens: int
    real_tokens: int


class Caller:
    """Raises grpc.aio.AioRpcError and ClientError for whatever goes wrong."""

    def __init__(self, address: str, client_id: str = "") -> None:
        self._client = Client(address, client_id=client_id)
        self._channel = grpc.aio.insecure_channel(address)

    async def answer(self, command: Calls | Foretell) -> list[Called] | list[Foretold]:
        """Carries it out."""
        match command:
            case Calls(calls):
                return [await self._call(call) for call in calls]
            case Foretell(requests, concurrency):
                return await self._foretell(requests, concurrency)

    async def _call(self, call: Call) -> Called:
        await asyncio.sleep(call.pause_s)
        return await (self._score(call.request) if call.score else self._generate(call.request))

    async def _score(self, request: bytes) -> Called:
        method: Any = self._channel.unary_unary(f"{_SERVICE}Score")
        sent = time.monotonic()
        answer = await method(request, timeout=_TIMEOUT_S)
        end_s = time.monotonic() - sent
        usage = pb.ScoreResponse.FromString(answer).usage
        return Called(end_s, None, *_counts(usage))

    async def _generate(self, request: bytes) -> Called:
        method: Any = self._channel.unary_stream(f"{_SERVICE}Generate")
        sent = time.monotonic()
        seen = [(time.monotonic() - sent, event) async for event in method(request, timeout=_TIMEOUT_S)]
        events = [(at, pb.GenerateResponse.FromString(event)) for at, event in seen]
        chunks = [at for at, event in events if event.HasField("chunk")]
        return Called(chunks[-1], chunks[0], *_counts(events[-1][1].finished.usage))

    async def _foretell(self, requests: Sequence[CompletionRequest], concurrency: int) -> list[Foretold]:
        left = enumerate(requests)
        found: list[Foretold] = []

        async def caller() -> None:
            for number, request in left:
                found.append(await self._foretold(number, request_of(request)))

        async with asyncio.TaskGroup() as callers:
            for _ in range(concurrency):
                callers.create_task(caller())
        return found

    async def _foretold(self, number: int, request: pb.GenerateRequest) -> Foretold:
        prompt = request.prompt or list(request.chat.messages)
        told = await self._client.estimate(prompt, max_tokens=request.max_tokens)
        sent = time.monotonic()
        last = await _last(self._client.generate_request(request))
        return Foretold(
            number=number,
            p50_s=told.completion.p50.ToNanoseconds() / 1e9,
            p95_s=told.completion.p95.ToNanoseconds() / 1e9,
            real_s=time.monotonic() - sent,
            p50_tokens=told.num_completion_tokens,
            real_tokens=last.finished.usage.num_completion_tokens,
        )

    async def aclose(self) -> None:
        """Ends both connections."""
        await self._client.close()
        await self._channel.close()


async def _last(events: AsyncIterator[pb.GenerateResponse]) -> pb.GenerateResponse:
    last = pb.GenerateResponse()
    async for event in events:
        last = event
    return last


def _counts(usage: pb.Usage) -> tuple[int, int, int]:
    return usage.num_prompt_tokens, usage.num_cached_tokens, usage.num_completion_tokens


def main(args: list[str]) -> None:
    """Serves commands until standard input closes."""
    gc.disable()
    with asyncio.Runner() as runner:
        caller = runner.run(_made(args))
        decode = msgspec.json.Decoder(Calls | Foretell).decode
        json_child.serve(lambda line: runner.run(caller.answer(decode(line))))
        runner.run(caller.aclose())


async def _made(args: list[str]) -> Caller:
    return Caller(*args)


if __name__ == "__main__":
    main(sys.argv[1:])
