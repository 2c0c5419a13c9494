"""Requests in receipt: how many may arrive slowly at once, and how long one may take.

gRPC gives a message room while it arrives, up to its whole size, and waits for ever for the rest. A message
that is there is read at once, so only what has not come for some time is counted: of those the oldest is
ended when there are too many. Those that come at the same time, however many, are not touched.
"""

import asyncio
import time
from typing import Any

import grpc

from xapp.errors import Exhausted, InvalidArgument

MAX_SLOW_BYTES = 64 * 1024 * 1024
"""Of all requests together that have been arriving for longer than a tick or two."""
TIMEOUT_S = 30.0
TICK_S = 0.1
_SLOW_TICKS = 2
"""Between two ticks the event loop has delivered what had come."""
_RETRY_AFTER_S = 5.0
_FEWEST = 4


class _Arrival:
    """One request of which something is still to come; `why` is set when it is ended."""

    __slots__ = ("since", "task", "ticks", "why")

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.task = task
        self.since = time.monotonic()
        self.ticks = 0
        self.why = ""

    def end(self, why: str) -> None:
        self.why = why
        self.task.cancel()


class Receipts:
    """`read` in place of gRPC's own reading; `run` in a task. `max_message_bytes`: what one may have."""

    def __init__(self, max_message_bytes: int, timeout_s: float = TIMEOUT_S) -> None:
        self.max_slow = max(_FEWEST, MAX_SLOW_BYTES // max_message_bytes)
        self._timeout_s = timeout_s
        # In order of their coming.
        self._arriving: dict[_Arrival, None] = {}

    async def read(self, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        """The request's bytes.

        Raises Exhausted, reason SLOW_SENDER, when they do not come, InvalidArgument when there are none.
        """
        task = asyncio.current_task()
        assert task is not None, "a call runs in a task"
        arrival = _Arrival(task)
        self._arriving[arrival] = None
        try:
            body: Any = await context.read()
        except asyncio.CancelledError:
            # A client that cancels at the same moment wins: then the cancellation is not ours alone.
            if not arrival.why or task.uncancel() > 0:
                raise
            raise Exhausted(arrival.why, reason="SLOW_SENDER", retry_after_s=_RETRY_AFTER_S) from None
        finally:
            del self._arriving[arrival]
        if body is grpc.aio.EOF:
            raise InvalidArgument("request", "did not come", reason="MALFORMED_REQUEST")
        return bytes(body)

    async def run(self) -> None:
        """Watches until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.check(time.monotonic())

    def check(self, now: float) -> None:
        """One tick: ends what is late at `now`, and the oldest of too many."""
        slow = [arrival for arrival in self._arriving if self._is_slow(arrival, now)]
        for arrival in slow[: max(0, len(slow) - self.max_slow)]:
            arrival.end(f"the request did not arrive, and {self.max_slow} others are arriving slowly")

    def _is_slow(self, arrival: _Arrival, now: float) -> bool:
        arrival.ticks += 1
        if not arrival.why and now - arrival.since > self._timeout_s:
            arrival.end(f"the request did not arrive within {self._timeout_s:g} s")
        return not arrival.why and arrival.ticks >= _SLOW_TICKS
