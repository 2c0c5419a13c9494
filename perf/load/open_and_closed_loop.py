"""The two ways of load: a fixed number of callers, and arrivals that wait for nobody."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

from perf.load.arrivals import MAX_ARRIVALS
from perf.load.request_supply import Asking
from perf.load.requests_in_flight import Flights
from perf.targets.target import CompletionRequest, TargetError

_PAUSE_AFTER_ERROR_S = 0.1
_LONGEST_PAUSE_S = 1.0
Ended = Callable[[], None]


async def closed_loop(
    flights: Flights,
    supply: Asking,
    *,
    concurrency: int,
    start: float,
    num_requests: int | None,
    duration_s: float | None,
    ended: Ended,
) -> None:
    """So many callers, each asking again when it is answered, until one of the bounds is reached.

    What is under way then is waited for. After an error a caller pauses, as the refusal says and a
    second at most: without, a server that refuses at once would be asked in a tight loop.
    """
    until = float("inf") if duration_s is None else start + duration_s
    most = MAX_ARRIVALS if num_requests is None else num_requests
    indices = count()

    async def caller() -> None:
        while _now() < until and (index := next(indices)) < most:
            request = await supply.next()
            error = await flights.fly(index, _now(), request)
            ended()
            if error is not None:
                await asyncio.sleep(_pause_s(error))

    async with asyncio.TaskGroup() as callers:
        for _ in range(concurrency):
            callers.create_task(caller())


def _pause_s(error: TargetError) -> float:
    return min(error.retry_after_s or _PAUSE_AFTER_ERROR_S, _LONGEST_PAUSE_S)


async def open_loop(
    flights: Flights,
    requests: Sequence[CompletionRequest],
    times: Sequence[float],
    *,
    start: float,
    ended: Ended,
) -> None:
    """Sends each request at its time, in seconds from `start`, whatever became of those before it.

    Returns when all have ended. A request that finds too many in flight is counted as an error.
    """
    async with asyncio.TaskGroup() as group:
        for index, (request, at) in enumerate(zip(requests, times, strict=True)):
            await asyncio.sleep(start + at - _now())
            group.create_task(_one(flights, index, start + at, request, ended))


async def _one(
    flights: Flights, index: int, scheduled: float, request: CompletionRequest, ended: Ended
) -> None:
    await flights.fly(index, scheduled, request)
    ended()


@asynccontextmanager
async def every_second(tick: Ended) -> AsyncIterator[None]:
    """Calls `tick` once a second while inside: for a bar that shows time."""

    async def ticking() -> None:
        while True:
            await asyncio.sleep(1.0)
            tick()

    task = asyncio.create_task(ticking())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _now() -> float:
    return asyncio.get_running_loop().time()
