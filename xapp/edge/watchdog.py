"""Ends streams whose client does not read.

One task watches all streams, so a write costs two attribute sets and no timer.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

from xapp.errors import Exhausted

_LONGEST_TICK_S = 1.0
_RETRY_AFTER_S = 1.0


class WatchedStream:
    """One stream. `writing_since` is on CLOCK_MONOTONIC while a write is pending, else None."""

    __slots__ = ("stalled", "task", "writing_since")

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.task = task
        self.writing_since: float | None = None
        self.stalled = False

    async def send(self, write: Awaitable[object]) -> None:
        """Awaits a write under the watchdog."""
        self.writing_since = time.monotonic()
        await write
        self.writing_since = None

    def is_stalled(self, now: float, timeout_s: float) -> bool:
        """Whether the pending write is older than `timeout_s`."""
        return self.writing_since is not None and now - self.writing_since > timeout_s


class Watchdog:
    """Cancels the task of a stream whose write is pending for more than `timeout_s` seconds."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._streams: set[WatchedStream] = set()

    async def run(self) -> None:
        """Watches until cancelled."""
        while True:
            await asyncio.sleep(min(self._timeout_s / 4, _LONGEST_TICK_S))
            self.check(time.monotonic())

    def check(self, now: float) -> None:
        """Cancels the streams that are stalled at `now`."""
        for stream in self._streams:
            if not stream.stalled and stream.is_stalled(now, self._timeout_s):
                stream.stalled = True
                stream.task.cancel()

    @contextmanager
    def watch(self) -> Iterator[WatchedStream]:
        """Watches the current task. The watchdog's cancellation becomes Exhausted, reason SLOW_READER."""
        task = asyncio.current_task()
        assert task is not None, "a stream runs in a task"
        stream = WatchedStream(task)
        self._streams.add(stream)
        try:
            yield stream
        except asyncio.CancelledError:
            # If a client cancels at the same moment, its cancellation counts: it is not only the watchdog's
            # own.
            if not stream.stalled or task.uncancel() > 0:
                raise
            raise self._slow_reader() from None
        finally:
            self._streams.discard(stream)

    def _slow_reader(self) -> Exhausted:
        message = f"the client did not read its stream for {self._timeout_s:g} s (XAPP_WRITE_TIMEOUT_S)"
        return Exhausted(message, reason="SLOW_READER", retry_after_s=_RETRY_AFTER_S)
