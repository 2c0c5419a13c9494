"""HeapKeeper: gives memory back that a burst of calls has left free in the heap."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from xapp.backend.native_memory import give_back_heap, heap_in_use, keep_large_blocks_apart

LOOK_S = 1.0
LARGE_BYTES = 32 * 1024 * 1024


def resident() -> int:
    """Bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class HeapKeeper:
    """`run` runs in a task. `in_use` returns the bytes that are in use in the heap, or None if unknown."""

    def __init__(
        self,
        in_use: Callable[[], int | None] = heap_in_use,
        resident: Callable[[], int] = resident,
        give_back: Callable[[], None] = give_back_heap,
    ) -> None:
        self._in_use = in_use
        self._resident = resident
        self._give_back = give_back
        self._slack = self._slack_now()

    async def run(self) -> None:
        """Keeps large blocks apart, then looks until cancelled. Returns at once where the C library does not
        state the bytes in use.
        """
        keep_large_blocks_apart()
        while self._in_use() is not None:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Gives free pages back once the memory beside the used bytes is LARGE_BYTES more than the least."""
        slack = self._slack_now()
        if slack - self._slack <= LARGE_BYTES:
            self._slack = min(self._slack, slack)
            return
        await asyncio.to_thread(self._give_back)
        # What is left lies between used bytes, and is no reason for the next return.
        self._slack = self._slack_now()

    def _slack_now(self) -> int:
        return self._resident() - (self._in_use() or 0)
