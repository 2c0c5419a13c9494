"""An event loop whose clock jumps: what waits for a time is woken at once, in order, at that time.

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(hours_of_load())

For programs that take the time from the loop (`loop.time()`, `asyncio.sleep`) and do no real input or
output: with nothing to do and nothing to wait for they stop with an error instead of hanging.
"""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class Deadlock(Exception):
    """Every task waits for something that nobody will do."""


class _Selector(selectors.BaseSelector):
    """A real selector that never waits; it tells how long it was asked to."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if timeout is None and not ready:
            raise Deadlock("no timer is set and nothing can happen")
        if not ready:
            self.now += max(0.0, timeout or 0.0)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at 0 seconds."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual.now

    def busy(self, seconds: float) -> None:
        """Time passes without the loop getting on: as if its thread computed for so long."""
        self._virtual.now += seconds
