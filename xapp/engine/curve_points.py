"""CurvePoints: the points of a curve of step times, moved by the steps that run.

A step moves the points on both sides of its size, the nearer point more. It also moves all sizes of all
curves by a common factor, a few times as far: `common`. The position of the points alone determines
`common`, so that each state has exactly one representation. A prediction is stable while steps take, on
average, the predicted time.
"""

from bisect import bisect_left, insort
from math import exp, log

from xapp.steps.step_cost import between

GAIN = 0.025
"""How far a step moves a point towards the measured time, in addition to the common move of all points."""
ALL = 3.0
"""All sizes move this many times as far. A larger value lets a measured size say more about the others."""
WARM = 2
"""A new point has the weight of so many measurements. Its first steps therefore move it more."""
FARTHEST = log(1000)
"""Bound of a point's distance from its start. Measured times bound it long before."""
SETTLED = 8
"""After so many steps, half of a point's first error is the point's own. Before, it is the node's speed."""
NEW_POINT = 1.5
"""A size that differs from its neighbours by this factor becomes a point."""
MAX_POINTS = 64


class CurvePoints:
    """Moves the values in `seconds`, one for each of `sizes`, in place; adds a point where none is near."""

    def __init__(self, sizes: list[int], seconds: list[float]) -> None:
        self._sizes = sizes
        self._seconds = seconds
        self._first_s = list(seconds)
        self._moved = [0.0] * len(sizes)
        self._num_moves = 0
        self._began = 0.0
        self._weights = [float(WARM)] * len(sizes)

    @property
    def common(self) -> float:
        """How far all sizes of all curves have moved, as a logarithm."""
        return self._began + ALL * sum(self._moved)

    def move(self, size: int, error: float, weight: float = 1.0) -> None:
        """Learns from a step of this size: it took longer than predicted by `error`, a share of the
        prediction.
        """
        if self._is_far(size) and len(self._sizes) < MAX_POINTS:
            self._add(size)
        for index, part in self._beside(size):
            self._move_point(index, error, weight * part)
        self._num_moves += 1

    def _move_point(self, index: int, error: float, weight: float) -> None:
        # The first steps correct the start of a point: at first that of all points, later that of this
        # point alone.
        extra = max(0.0, 1 / (1 + self._weights[index]) - (1 + ALL) * GAIN) * error * weight
        for_all = 1 / (1 + self._num_moves / SETTLED)
        self._weights[index] += weight
        self._began += extra * for_all
        self._first_s[index] *= exp(extra * (1 - for_all))
        moved = self._moved[index] + GAIN * error * weight
        self._moved[index] = min(FARTHEST, max(-FARTHEST, moved))
        self._seconds[index] = self._first_s[index] * exp(self._moved[index])

    def _is_far(self, size: int) -> bool:
        return all(max(size, each) >= NEW_POINT * min(size, each) for each in self._sizes)

    def _add(self, size: int) -> None:
        index = bisect_left(self._sizes, size)
        seconds = between(self._sizes, self._seconds, size)
        insort(self._sizes, size)
        self._seconds.insert(index, seconds)
        self._first_s.insert(index, seconds)
        self._moved.insert(index, 0.0)
        self._weights.insert(index, float(WARM))

    def _beside(self, size: int) -> list[tuple[int, float]]:
        """The points next to `size`, by index, each with its nearness. Both nearnesses sum to 1."""
        index = bisect_left(self._sizes, size)
        if index == len(self._sizes):
            return [(index - 1, 1.0)]
        if self._sizes[index] == size or index == 0:
            return [(index, 1.0)]
        part = (size - self._sizes[index - 1]) / (self._sizes[index] - self._sizes[index - 1])
        return [(index - 1, 1 - part), (index, part)]
