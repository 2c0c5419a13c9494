"""Requests in receipt: how many bytes they may take in all, and how long one may take.

gRPC gives a message room while it arrives, up to its whole size, and waits for ever for the rest. So many
senders that stop short of the end, or just many large messages at once, take much memory. While more
requests arrive than fit at their largest, the growth of the heap is watched, and of those that have been
arriving for some time the oldest are ended. Small requests, however many, come and go untouched.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import grpc

from xapp.backend.native_memory import give_back_heap, heap_in_use
from xapp.errors import Exhausted, InvalidArgument

MAX_BYTES = 32 * 1024 * 1024
"""Of all requests that are arriving."""
TIMEOUT_S = 30.0
LOOK_S = 1.0
"""How often late requests are looked for."""
TICK_S = 0.01
"""How often the heap is looked at while many requests arrive."""
_SLOW_TICKS = 2
"""Between two ticks the event loop delivers what has come. So what both have seen is still to come."""
_RETRY_AFTER_S = 5.0
_FEWEST = 4

_Task = asyncio.Task[Any]


class Receipts:
    """`read` in place of gRPC's own reading; `run` in a task.

    `max_message_bytes`: how large one request may be. `heap`: bytes in use, None where nobody knows.
    """

    def __init__(
        self,
        max_message_bytes: int,
        timeout_s: float = TIMEOUT_S,
        heap: Callable[[], int | None] = heap_in_use,
    ) -> None:
        self.num_free = max(_FEWEST, MAX_BYTES // max_message_bytes)
        """So many may arrive slowly at any time."""
        self._timeout_s = timeout_s
        self._heap = heap
        # In order of their coming: when each one came.
        self._arriving: dict[_Task, float] = {}
        self._why: dict[_Task, str] = {}
        self._crowded = asyncio.Event()

    async def read(self, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        """The request's bytes. The path of every call: keep it short.

        Raises Exhausted, reason SLOW_SENDER, when they do not come, InvalidArgument when there are none.
        """
        task = asyncio.current_task()
        assert task is not None, "a call runs in a task"
        self._arriving[task] = time.monotonic()
        if len(self._arriving) > self.num_free:
            self._crowded.set()
        try:
            body: Any = await context.read()
        except asyncio.CancelledError:
            why = self._why.get(task)
            # A client that cancels at the same moment wins: then the cancellation is not ours alone.
            if why is None or task.uncancel() > 0:
                raise
            raise Exhausted(why, reason="SLOW_SENDER", retry_after_s=_RETRY_AFTER_S) from None
        finally:
            del self._arriving[task]
            self._why.pop(task, None)
        if body is grpc.aio.EOF:
            raise InvalidArgument("request", "did not come", reason="MALFORMED_REQUEST")
        return bytes(body)

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
        """Ends what has had its time at `now`."""
        for task, since in self._arriving.items():
            if now - since <= self._timeout_s:
                return
            self._end(task, f"the request did not arrive within {self._timeout_s:g} s")

    def end_oldest(self, crowd: "Crowd") -> None:
        """One tick of a crowd: ends the oldest of the slow ones when all together take too much."""
        for task in crowd.see(self._arriving, self._heap()):
            self._end(task, f"the request did not arrive, and {self.num_free} others are arriving slowly")

    def _end(self, task: _Task, why: str) -> None:
        if task not in self._why:
            self._why[task] = why
            task.cancel()


class Crowd:
    """More requests that arrive at once than fit at their largest, from `heap_before` on."""

    def __init__(self, heap_before: int | None, num_free: int) -> None:
        self._heap_before = heap_before
        self._num_free = num_free
        self._num_seen: dict[_Task, int] = {}
        self.was_large = False

    def see(self, arriving: dict[_Task, float], heap: int | None) -> list[_Task]:
        """One tick; those to be ended."""
        self._num_seen = {task: self._num_seen.get(task, 0) + 1 for task in arriving}
        slow = [task for task, num_seen in self._num_seen.items() if num_seen >= _SLOW_TICKS]
        too_many = slow[: max(0, len(slow) - self._num_free)]
        is_large = heap is None or self._heap_before is None or heap - self._heap_before > MAX_BYTES
        self.was_large |= is_large and bool(too_many)
        return too_many if is_large else []
