"""Large requests go on one after the other, with a pause between them that belongs to all other calls.

To parse and convert one takes milliseconds. A hundred that come together would hold the event loop, and
so everybody else, for as long as all of them take. gRPC hands over one call in a pass of the loop, so a
pause must be long enough for many passes.
"""

import asyncio

from xapp.errors import Exhausted

LARGE_BYTES = 16 * 1024
"""What is smaller is converted within a fraction of a millisecond and never waits."""
PAUSE_S = 0.005
MAX_WAITING_BYTES = 32 * 1024 * 1024
"""Of all requests that wait for their turn."""
_RETRY_AFTER_S = 1.0


class Turns:
    """`take` before the work that holds the loop."""

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._lock = asyncio.Lock()
        self._pause_s = pause_s
        self._num_waiting_bytes = 0

    async def take(self, num_bytes: int) -> None:
        """Returns when it is the turn of a request of so many bytes; at once where no other waits.

        Raises Exhausted when those that wait are too large in all.
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
