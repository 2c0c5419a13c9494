"""Pulse: whether the event loop turns, for other threads."""

import asyncio
from collections.abc import Callable
from time import monotonic

from grpc_health.v1 import health_pb2 as pb

EVERY_S = 0.25
STUCK_S = 5.0
"""A loop that has not turned for so long answers nobody."""


class Pulse:
    """`run` runs in a task of the loop."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._last = clock()

    async def run(self) -> None:
        """Beats until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(EVERY_S)

    def beat(self) -> None:
        """The loop turns now."""
        self._last = self._clock()

    @property
    def is_stuck(self) -> bool:
        """Whether the loop has not turned for STUCK_S."""
        return self._clock() - self._last > STUCK_S

    def watched(self, status: Callable[[str], int]) -> Callable[[str], int]:
        """`status`, and NOT_SERVING in place of SERVING while the loop is stuck."""

        def seen(name: str) -> int:
            found = status(name)
            serving = found == pb.HealthCheckResponse.SERVING
            return int(pb.HealthCheckResponse.NOT_SERVING) if serving and self.is_stuck else found

        return seen
