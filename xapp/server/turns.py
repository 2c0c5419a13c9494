"""Large requests go on one after the other, with a pause between them that belongs to all other calls.

To parse and convert one takes milliseconds. A hundred that come together would hold the event loop, and
so everybody else, for as long as all of them take. gRPC hands over one call in a pass of the loop, so a
pause must be long enough for many passes.
"""

import asyncio

LARGE_BYTES = 16 * 1024
"""What is smaller is converted within a fraction of a millisecond and never waits."""
PAUSE_S = 0.005


class Turns:
    """`take` before the work that holds the loop."""

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._lock = asyncio.Lock()
        self._pause_s = pause_s

    async def take(self, num_bytes: int) -> None:
        """Returns when it is the turn of a request of so many bytes; at once where no other waits."""
        if num_bytes <= LARGE_BYTES:
            return
        pause_s = self._pause_s if self._lock.locked() else 0
        async with self._lock:
            await asyncio.sleep(pause_s)
