"""Receipt: bounds the bytes of requests that are arriving, and the time of one request.

gRPC reserves the whole size of a message while it arrives, and waits for ever for the rest. So many senders
that stop halfway, or many large messages at once, take much memory. While more requests arrive than would
fit at the largest size, the growth of the heap is watched. If it is too large, the oldest of the slow
requests are ended. Small requests pass untouched in any number. The first message of a stream counts as a
request.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from xapp.backend.native_memory import give_back_heap, heap_in_use
from xapp.errors import Exhausted, InvalidArgument

MAX_BYTES = 32 * 1024 * 1024
"""Bytes of all requests that are arriving."""
TIMEOUT_S = 30.0
LOOK_S = 1.0
"""Interval of the check for late requests, seconds."""
TICK_S = 0.003
"""Interval of the check of the heap while many requests arrive, seconds. 400 senders send 300 MB in 0.01."""
_SLOW_TICKS = 2
"""The event loop delivers arrived requests between two ticks. A request that two ticks have seen is slow."""
_RETRY_AFTER_S = 5.0
_FEWEST = 4

_Task = asyncio.Task[Any]


class Receipts:
    """`read` replaces gRPC's own reading. `run` runs in a task.

    `max_message_bytes` is the limit of one request. `heap` returns the bytes in use, or None if unknown.
    """

    def __init__(
        self,
        max_message_bytes: int,
        timeout_s: float = TIMEOUT_S,
        heap: Callable[[], int | None] = heap_in_use,
    ) -> None:
        self.num_free = max(_FEWEST, MAX_BYTES // max_message_bytes)
        """Number of requests that may arrive slowly at any time."""
        self._timeout_s = timeout_s
        self._heap = heap
        # In order of arrival, with the time of arrival.
        self._arriving: dict[_Task, float] = {}
        self._why: dict[_Task, str] = {}
        self._crowded = asyncio.Event()

    async def read(self, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        """The request's bytes.

        Raises Exhausted, reason SLOW_SENDER, when they do not arrive, InvalidArgument when there are none.
        """
        body = await self.receive(context.read)
        if body is grpc.aio.EOF:
            raise InvalidArgument("request", "did not come", reason="MALFORMED_REQUEST")
        return bytes(body)

    def stream(self, requests: AsyncIterable[Any]) -> AsyncIterator[Any]:
        """The messages of a stream. The first one is a request like any other."""
        return _Stream(self, requests)

    async def receive(self, read: Callable[[], Awaitable[Any]]) -> Any:
        """What `read` brings. This runs for every call, so it makes few calls itself.

        Raises Exhausted, reason SLOW_SENDER, when it does not arrive.
        """
        task = asyncio.current_task()
        assert task is not None, "a call runs in a task"
        self._arriving[task] = time.monotonic()
        is_crowded = len(self._arriving) > self.num_free
        try:
            if not is_crowded:
                return await read()
            self._crowded.set()
            reading = asyncio.create_task(_reading(read))
            reading.add_done_callback(_forget)
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            why = self._why.get(task)
            # If a client cancels at the same moment, its cancellation counts: it is not only the receipt's
            # own.
            if why is None or task.uncancel() > 0:
                raise
            raise Exhausted(why, reason="SLOW_SENDER", retry_after_s=_RETRY_AFTER_S) from None
        finally:
            del self._arriving[task]
            self._why.pop(task, None)

    async def run(self) -> None:
        """Watches until cancelled."""
        while True:
            if await self._is_crowded():
                await self._watch_crowd()
            self.end_late(time.monotonic())

    async def _is_crowded(self) -> bool:
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._crowded.wait(), LOOK_S)
        return False

    async def _watch_crowd(self) -> None:
        crowd = Crowd(self._heap(), self.num_free)
        while len(self._arriving) > self.num_free:
            await asyncio.sleep(TICK_S)
            self.end_late(time.monotonic())
            self.end_oldest(crowd)
        self._crowded.clear()
        if crowd.was_large:
            await asyncio.to_thread(give_back_heap)

    def end_late(self, now: float) -> None:
        """Ends the requests whose time is over at `now`."""
        for task, since in self._arriving.items():
            if now - since <= self._timeout_s:
                return
            self._end(task, f"the request did not arrive within {self._timeout_s:g} s")

    def end_oldest(self, crowd: "Crowd") -> None:
        """One tick of a crowd: ends the oldest slow requests when all requests together take too much
        memory.
        """
        for task in crowd.tick(self._arriving, self._heap()):
            self._end(task, f"the request did not arrive, and {self.num_free} others are arriving slowly")

    def _end(self, task: _Task, why: str) -> None:
        if task not in self._why:
            self._why[task] = why
            task.cancel()


async def _reading(read: Callable[[], Awaitable[Any]]) -> Any:
    """In a crowd each request is read in a task of its own, which outlives that of its call.

    gRPC's core ends a read of half a message only behind the end of the call (`batches.py` waits for it), and
    meanwhile the sender goes on. So who is ended must not wait for its read: 400 of them took 200 MB more.
    """
    return await read()


def _forget(reading: _Task) -> None:
    """Its call may have ended before: nobody asks for its error then."""
    if not reading.cancelled():
        reading.exception()


class _Stream:
    """Later messages of a stream come when its caller has something to say: they may take their time."""

    def __init__(self, receipts: Receipts, requests: AsyncIterable[Any]) -> None:
        self._receipts = receipts
        self._requests = requests
        self._later: AsyncIterator[Any] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._later is not None:
            return await anext(self._later)
        self._later = aiter(self._requests)
        return await self._receipts.receive(self._later.__anext__)


class Crowd:
    """More requests at once than would fit at the largest size, starting with a heap of `heap_before`."""

    def __init__(self, heap_before: int | None, num_free: int) -> None:
        self._heap_before = heap_before
        self._num_free = num_free
        self._num_ticks: dict[_Task, int] = {}
        self.was_large = False

    def tick(self, arriving: dict[_Task, float], heap: int | None) -> list[_Task]:
        """One tick. Returns the requests to end."""
        self._num_ticks = {task: self._num_ticks.get(task, 0) + 1 for task in arriving}
        slow = [task for task, num_ticks in self._num_ticks.items() if num_ticks >= _SLOW_TICKS]
        too_many = slow[: max(0, len(slow) - self._num_free)]
        is_large = heap is None or self._heap_before is None or heap - self._heap_before > MAX_BYTES
        self.was_large |= is_large and bool(too_many)
        return too_many if is_large else []
