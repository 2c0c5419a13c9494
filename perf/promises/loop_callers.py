"""Callers of one server, in a process of their own: what they see is not delayed by anybody else's work.

`python -m perf.promises.loop_callers grpc|http HOST:PORT` answers each command with its requests.
"""

import asyncio
import gc
import sys
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from perf import json_child
from perf.load.load_samples import Request
from perf.load.open_and_closed_loop import closed_loop, open_loop
from perf.load.requests_in_flight import Bounds, Flights
from perf.targets.grpc_target import GrpcTarget
from perf.targets.openai_target import OpenAITarget
from perf.targets.target import CompletionRequest, Target

_LEAD_S = 0.1
_BOUNDS = Bounds(timeout_s=300.0, max_in_flight=512)


class Closed(msgspec.Struct, frozen=True, tag=True):
    """So many callers, each asking again when it is answered; what is open after `duration_s` is cut."""

    requests: list[CompletionRequest]
    concurrency: int
    duration_s: float = 300.0


class Open(msgspec.Struct, frozen=True, tag=True):
    """Each request at its time, seconds from the start; what is open after `duration_s` is cut."""

    requests: list[CompletionRequest]
    times: list[float]
    duration_s: float = 300.0


Command = Closed | Open


def connect(kind: str, address: str) -> Target:
    """Raises SystemExit for an unknown kind."""
    if kind == "grpc":
        return GrpcTarget(address)
    if kind == "http":
        return OpenAITarget(address)
    raise SystemExit(f"unknown client {kind!r}: grpc or http")


async def carry_out(target: Target, command: Command) -> list[Request]:
    """The requests in the order of asking. Raises an ExceptionGroup of TargetLost when nobody answers."""
    start = asyncio.get_running_loop().time() + _LEAD_S
    flights = Flights(target, "", 0, start, _BOUNDS)
    await asyncio.sleep(_LEAD_S)
    with suppress(TimeoutError):
        async with asyncio.timeout_at(start + command.duration_s):
            await _load(flights, command, start)
    return sorted(flights.requests, key=lambda request: request.index)


async def _load(flights: Flights, command: Command, start: float) -> None:
    match command:
        case Closed(requests, concurrency):
            await closed_loop(
                flights,
                _OneByOne(requests),
                concurrency=concurrency,
                start=start,
                num_requests=len(requests),
                duration_s=None,
                ended=_nothing,
            )
        case Open(requests, times):
            await open_loop(flights, requests, times, start=start, ended=_nothing)


class _OneByOne:
    def __init__(self, requests: Sequence[CompletionRequest]) -> None:
        self._requests = iter(requests)

    async def next(self) -> CompletionRequest:
        """See Asking."""
        return next(self._requests)


def _nothing() -> None:
    """Nobody counts this."""


def main(args: list[str]) -> None:
    """Serves commands until standard input closes."""
    kind, address = args
    gc.disable()
    with asyncio.Runner() as runner:
        target = connect(kind, address)
        runner.run(_describe(target))
        json_child.serve(lambda line: runner.run(carry_out(target, msgspec.json.decode(line, type=Command))))
        runner.run(_close(target))


async def _describe(target: Target) -> None:
    await target.describe()


async def _close(target: Target) -> None:
    await target.aclose()


if __name__ == "__main__":
    main(sys.argv[1:])
