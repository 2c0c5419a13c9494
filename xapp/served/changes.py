"""Notifies waiters and listeners of changes."""

import asyncio
from collections.abc import Callable


class Changes:
    """Call `next()` first, then read the state, then await the future: so no change is missed."""

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._listeners: list[Callable[[], None]] = []

    def next(self) -> asyncio.Future[None]:
        """A future that is done at the next change. It is shared, so await it shielded."""
        if self._future is None:
            self._future = asyncio.get_running_loop().create_future()
        return self._future

    async def wait(self, change: "asyncio.Future[None]") -> None:
        """Waits for a future from `next`."""
        await asyncio.shield(change)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` at every change, on the event loop. Returns a function that ends this."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def notify(self) -> None:
        """Reports a change."""
        future, self._future = self._future, None
        if future is not None and not future.done():
            future.set_result(None)
        for listener in list(self._listeners):
            listener()
