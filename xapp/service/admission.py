"""Who may come in: at most so many requests at once for a model, and none while it drains."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from xapp.errors import DeadlineExceeded, Exhausted, Unavailable

RATE_WINDOW_S = 60.0
MAX_REMEMBERED = 256
MIN_RETRY_S = 0.1
MAX_RETRY_S = 60.0
FIRST_GUESS_S = 1.0


class FinishRate:
    """How often a place gets free, from the last minute."""

    def __init__(self) -> None:
        self._finished: deque[float] = deque(maxlen=MAX_REMEMBERED)

    def record(self, now: float) -> None:
        """A place got free."""
        self._finished.append(now)

    def seconds_each(self, now: float) -> float:
        """Mean time between two, 0.1 to 60 s; 1 s when too little was seen to tell."""
        recent = [at for at in self._finished if now - at <= RATE_WINDOW_S]
        if len(recent) < 2:
            return FIRST_GUESS_S
        # The time since the last one counts as well: a model that has stalled frees no places.
        return min(MAX_RETRY_S, max(MIN_RETRY_S, (now - recent[0]) / len(recent)))


class Admission:
    """Counts the requests of one model, running and waiting together, up to `capacity`."""

    def __init__(self, model: str, capacity: int) -> None:
        self._model = model
        self._rate = FinishRate()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self.capacity = capacity
        self.num_open = 0

    @contextmanager
    def enter(self, deadline: float | None = None) -> Iterator[None]:
        """Holds a place. `deadline` is on CLOCK_MONOTONIC.

        Raises Unavailable while draining, DeadlineExceeded when it has passed already, Exhausted
        when all places are taken.
        """
        self._check(deadline)
        self.num_open += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._leave()

    def drain(self) -> None:
        """Lets nobody in from now on."""
        self._draining = True

    async def wait_idle(self) -> None:
        """Returns when nobody is in."""
        await self._idle.wait()

    def _check(self, deadline: float | None) -> None:
        now = monotonic()
        if self._draining:
            raise Unavailable(f"{self._model} is draining", reason="DRAINING", retry_after_s=FIRST_GUESS_S)
        if deadline is not None and deadline <= now:
            raise DeadlineExceeded("the deadline had passed when the request arrived")
        if self.num_open >= self.capacity:
            raise Exhausted(
                f"{self._model} has {self.num_open} requests, running and waiting: no more are taken"
                " (XAPP_SLOTS and XAPP_MAX_QUEUE say how many)",
                retry_after_s=self._rate.seconds_each(now),
            )

    def _leave(self) -> None:
        self.num_open -= 1
        self._rate.record(monotonic())
        if self.num_open == 0:
            self._idle.set()
