"""Series: a growing figure over time, to be asked for its growth between two moments."""

from array import array
from bisect import bisect_left, bisect_right

MAX_POINTS = 8192
"""An hour of readings, every half a second. The older half is forgotten where there are more."""


class Series:
    """Points in the order of time."""

    def __init__(self) -> None:
        self._times = array("d")
        self._values = array("d")

    @property
    def last(self) -> float:
        """The present value; 0 without a point."""
        return self._values[-1] if self._values else 0.0

    @property
    def last_at(self) -> float:
        """The time of the present value."""
        return self._times[-1] if self._times else float("-inf")

    def add(self, at: float, value: float) -> None:
        """A point after all others."""
        if len(self._times) >= MAX_POINTS:
            del self._times[: MAX_POINTS // 2]
            del self._values[: MAX_POINTS // 2]
        self._times.append(at)
        self._values.append(value)

    def forget(self) -> None:
        """The growth until now is not known any more."""
        del self._times[:]
        del self._values[:]

    def num_within(self, start: float, end: float) -> int:
        """Number of points after `start`, up to `end`."""
        return bisect_right(self._times, end) - bisect_right(self._times, start)

    def since(self, at: float) -> float:
        """Growth since then, or since the first point."""
        return self.last - self._at(max(at, self._times[0])) if self._times else 0.0

    def between(self, start: float, end: float) -> float | None:
        """Growth from `start` to `end`. After the last point it goes on as between the last two.

        None where the series begins after `start`.
        """
        if len(self._times) < 2 or start < self._times[0]:
            return None
        return self._at(end) - self._at(start)

    def _at(self, at: float) -> float:
        times, values = self._times, self._values
        if len(times) == 1:
            return values[0]
        index = min(max(1, bisect_left(times, at)), len(times) - 1)
        slope = (values[index] - values[index - 1]) / (times[index] - times[index - 1])
        return values[index - 1] + slope * (at - times[index - 1])
