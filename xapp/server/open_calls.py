"""Bounds the open calls of one address and of one principal."""

import asyncio
from collections import Counter

from xapp.errors import Exhausted
from xapp.security import principal
from xapp.server.call import Call, address_of

_RETRY_AFTER_S = 1.0


class OpenCalls:
    """At most `most` open calls of each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    async def guard(self, call: Call) -> None:
        """A guard. It raises Exhausted, reason TOO_MANY_STREAMS."""
        caller = principal.current.get()
        keys = [f"address {address_of(call.context.peer())}"]
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
