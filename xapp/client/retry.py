"""Repeated attempts of a call: their number, their delays, and their common deadline."""

import asyncio
import random
import time
from dataclasses import dataclass

from xapp.client.errors import ClientError
from xapp.pool import another_node_may


@dataclass(frozen=True, slots=True)
class Retry:
    """The attempts after UNAVAILABLE. Times in seconds."""

    attempts: int = 5
    first_delay_s: float = 0.2
    max_delay_s: float = 5.0

    def delay_s(self, attempt: int, error: ClientError) -> float:
        """Seconds before the next attempt: the server's RetryInfo, else doubled delays; with jitter."""
        jitter = random.uniform(1.0, 1.2)  # noqa: S311  no secret
        wanted = self.first_delay_s * 2.0**attempt if error.retry_after_s is None else error.retry_after_s
        return min(wanted, self.max_delay_s) * jitter


class Attempts:
    """The attempts of one call, which share its deadline.

    `closed` once an answer has begun. `moved` once another node of a pool was asked, which happens once,
    without waiting.
    """

    def __init__(self, retry: Retry, deadline_s: float | None, *, in_pool: bool) -> None:
        self._retry = retry
        self._in_pool = in_pool
        self.moved = False
        self._until = None if deadline_s is None else time.monotonic() + deadline_s
        self._num_failed = 0
        self.closed = False

    def left_s(self) -> float | None:
        """Time left, None for no limit."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    async def again(self, error: ClientError) -> None:
        """Waits before the next attempt. Raises `error` if there is none."""
        if self._may_move(error):
            self.moved = True
            return
        delay = self._retry.delay_s(self._num_failed, error)
        self._num_failed += 1
        left = self.left_s()
        if self.closed or error.code != "UNAVAILABLE" or self._num_failed >= self._retry.attempts:
            raise error
        if left is not None and left <= delay:
            raise error
        await asyncio.sleep(delay)

    def _may_move(self, error: ClientError) -> bool:
        left_s = self.left_s()
        in_time = left_s is None or left_s > 0
        is_open = self._in_pool and not self.moved and not self.closed
        return is_open and in_time and another_node_may(error.code, error.reason)
