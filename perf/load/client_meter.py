"""What the client itself costs: its CPU time, and how late its event loop is.

A client that is short of CPU sees tokens late and sends late, and the server gets the blame.
"""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

TICK_S = 0.05


class ClientMeter:
    """Around a step, as an async context manager; read it after."""

    def __init__(self, cpu_clock: Callable[[], float] = time.process_time) -> None:
        self._cpu_clock = cpu_clock
        self._task: asyncio.Task[None] | None = None
        self._cpu_before = 0.0
        self.cpu_s = 0.0
        self.loop_lags_s: list[float] = []

    async def __aenter__(self) -> Self:
        self._cpu_before = self._cpu_clock()
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self.cpu_s = self._cpu_clock() - self._cpu_before
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _tick(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due = now() + TICK_S
            await asyncio.sleep(TICK_S)
            self.loop_lags_s.append(round(max(0.0, now() - due), 6))
