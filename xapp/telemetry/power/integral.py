"""Energy from a meter of power."""

import math
import time
from collections.abc import Callable

from xapp.telemetry.power.meter import NoMeter

MAX_GAP_S = 5.0
"""Nobody knows the energy between two readings that are further apart."""


class Integral:
    """Joules by trapezoids between readings of `watts`, which raises NoMeter. `clock` is monotonic.

    After a failure, and over a gap, the integral goes on from the next reading: the energy between is not
    counted.
    """

    def __init__(self, watts: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._watts = watts
        self._clock = clock
        self._total_j = 0.0
        self._last: tuple[float, float] | None = None
        self.joules()

    def joules(self) -> float:
        """So far. Raises NoMeter."""
        last, self._last = self._last, None
        watts = self._watts()
        if not math.isfinite(watts):
            raise NoMeter(f"the meter says {watts} W")
        at = self._clock()
        if last is not None and at - last[0] <= MAX_GAP_S:
            self._total_j += (watts + last[1]) / 2 * (at - last[0])
        self._last = (at, watts)
        return self._total_j
