"""Turns: large requests are converted one after the other, with pauses for all other calls.

To parse and convert a large request takes milliseconds. A hundred of them at once would hold the event
loop, and so all other calls, for their whole time. gRPC hands over one call in a pass of the loop, so a
pause must be long enough for many passes.
"""

import asyncio

from xapp.errors import Exhausted

LARGE_BYTES = 16 * 1024
"""A smaller request is converted within a fraction of a millisecond and never waits."""
PAUSE_S = 0.005
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Bytes of all waiting requests."""
_RETRY_AFTER_S = 1.0


class Turns:
    """Call `take` before work that holds the loop."""

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._lock = asyncio.Lock()
        self._pause_s = pause_s
        self._num_waiting_bytes = 0

    async def take(self, num_bytes: int) -> None:
        """Returns when a request of `num_bytes` may be converted; at once where no other request waits.

        Raises Exhausted when the waiting requests are too large in all.
        """
        if num_bytes <= LARGE_BYTES:
            return
        self._check_room(num_bytes)
        pause_s = self._pause_s if self._lock.locked() else 0
        self._num_waiting_bytes += num_bytes
        try:
            async with self._lock:
                await asyncio.sleep(pause_s)
        finally:
            self._num_waiting_bytes -= num_bytes

    def _check_room(self, num_bytes: int) -> None:
        waiting = self._num_waiting_bytes
        if waiting and waiting + num_bytes > MAX_WAITING_BYTES:
            text = f"large requests of {waiting:,} bytes in all wait for their turn"
            raise Exhausted(text, reason="LARGE_REQUESTS", retry_after_s=_RETRY_AFTER_S)
