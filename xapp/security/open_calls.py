"""Bounds the open calls of one address and of one principal, over all ports together."""

import asyncio
from collections import Counter

from xapp.errors import Exhausted
from xapp.security import principal

_RETRY_AFTER_S = 1.0


class OpenCalls:
    """At most `most` open calls of each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, address: str) -> None:
        """Counts a call of the current principal from `address` until the current task ends.

        Raises Exhausted, reason TOO_MANY_STREAMS.
        """
        caller = principal.current.get()
        keys = [f"address {address}"]
        if caller.proved:
            keys.append(f"principal {caller.name}")
        for key in keys:
            if self._open[key] >= self._most:
                raise self._too_many(key)
        task = asyncio.current_task()
        assert task is not None, "a call runs in a task"
        self._open.update(keys)
        task.add_done_callback(lambda _: self._close(keys))

    def _close(self, keys: list[str]) -> None:
        for key in keys:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    def _too_many(self, key: str) -> Exhausted:
        text = f"{key} has {self._most} calls open, no more are allowed (XAPP_MAX_CALLS)"
        return Exhausted(text, reason="TOO_MANY_STREAMS", retry_after_s=_RETRY_AFTER_S)
