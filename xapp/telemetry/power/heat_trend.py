"""HeatTrend: learns how fast the node warms up under load, and so when it will lower its clock.

The slope is learned for each range of temperatures: a node warms up fast when it is cool, slowly near the
temperature at which it stays, and what it has seen decides whether that is below the limit.
"""

from collections import deque
from collections.abc import Collection
from statistics import linear_regression

from xapp.domain.power import NEVER_S, HeatOutlook

BAND_CELSIUS = 2.0
"""Width of a range of temperatures."""
SLOPE_S, LEAST_S = 15.0, 4.0
"""The slope is that of the last seconds, and of so many at least: a sensor jitters by half a degree."""
HALF_LIFE_S = 60.0
"""A slope that does not come again, while the node works in that range, halves its weight in so long."""
STEADY = 0.01
"""°C a second. Below it, the temperature stays."""
MARGIN_CELSIUS = 1.0


class HeatTrend:
    """`limit_celsius`: where the board lowers its clock; None where nobody knows it."""

    def __init__(self, limit_celsius: float | None) -> None:
        self._limit = limit_celsius
        self._recent: deque[tuple[float, float]] = deque()
        self._slopes: dict[int, float] = {}
        self._last_at: float | None = None
        self.outlook = HeatOutlook()
        """The present outlook, under the load of the last minutes."""

    def see(self, at: float, celsius: float | None, *, throttled: bool | None, busy: bool) -> None:
        """A reading. `busy`: the node computed since the last one."""
        if celsius is None:
            self._recent.clear()
        else:
            self._add(at, celsius, busy=busy)
        seconds = 0.0 if throttled else self._throttles_in_s()
        self.outlook = HeatOutlook(throttled=bool(throttled), throttles_in_s=seconds)

    def _add(self, at: float, celsius: float, *, busy: bool) -> None:
        self._recent.append((at, celsius))
        while at - self._recent[0][0] > SLOPE_S:
            self._recent.popleft()
        if busy:
            self._learn(int(celsius // BAND_CELSIUS), at - (self._last_at or at))
        self._last_at = at

    def _learn(self, band: int, seconds: float) -> None:
        if self._recent[-1][0] - self._recent[0][0] < LEAST_S:
            return
        slope = _slope(self._recent)
        faded = self._slopes.get(band, slope) * 0.5 ** (seconds / HALF_LIFE_S)
        self._slopes[band] = max(slope, faded)

    def _throttles_in_s(self) -> float:
        if self._limit is None or not self._recent or not self._slopes:
            return NEVER_S
        seconds, at, limit = 0.0, self._recent[-1][1], self._limit - MARGIN_CELSIUS
        while at < limit:
            band = int(at // BAND_CELSIUS)
            slope = self._slope_in(band)
            if slope < STEADY:
                return NEVER_S
            end = min(limit, (band + 1) * BAND_CELSIUS)
            seconds += (end - at) / slope
            at = end
        return seconds

    def _slope_in(self, band: int) -> float:
        """Of this range, else of the nearest one below: warming up gets slower. Else of the coolest."""
        below = max((each for each in self._slopes if each <= band), default=min(self._slopes))
        return self._slopes[below]


def _slope(points: Collection[tuple[float, float]]) -> float:
    """°C a second, by least squares. The points have at least two times."""
    times, celsius = zip(*points, strict=True)
    return linear_regression(times, celsius).slope
