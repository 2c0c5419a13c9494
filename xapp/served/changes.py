"""Tells everyone who waits that something changed."""

import asyncio
from collections.abc import Callable


class Changes:
    """Take `next()` first, look at the state, then await it: no change is missed."""

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._listeners: list[Callable[[], None]] = []

    def next(self) -> asyncio.Future[None]:
        """Done at the next change. Await it shielded: it is shared."""
        if self._future is None:
            self._future = asyncio.get_running_loop().create_future()
        return self._future

    async def wait(self, change: "asyncio.Future[None]") -> None:
        """Waits for what `next` gave."""
        await asyncio.shield(change)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` at every change, on the event loop; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def notify(self) -> None:
        """Something changed."""
        future, self._future = self._future, None
        if future is not None and not future.done():
            future.set_result(None)
        for listener in list(self._listeners):
            listener()
