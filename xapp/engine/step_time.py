"""StepTime: learns from the steps that run how long a step takes on this node now.

It starts from a measured curve (`step_cost`) and learns three things:

- `scale`, how fast the node is now (a throttled clock, noisy neighbours), and `cell_s`, the price of a cell
  that attention reads. Both are fitted by least squares to the last steps, and follow within some 30 of them.
- The curve itself: each step moves the points beside its size a little. A size far from every point becomes
  a point of its own.
"""

from bisect import bisect_left, insort

from xapp.engine.messages import StepCurve, StepPrices
from xapp.engine.step_cost import DEFAULT_CURVE, LEAST_S, StepCost, between

FORGET = 0.97
"""What a measurement weighs after the next: the last 30 or so decide."""
OUTLIER = 4.0
"""A measurement counts as at most this many times the prediction: a hiccup must not starve prefill."""
DOUBT_CELLS = 1000
"""It starts as if a step that read so many cells had taken no longer for them: the first steps read few."""
MOST_CELL = 0.002
"""A cell costs at most this share of a step of one token. Steps that read few cells, on a node that gets
slower meanwhile, would otherwise make long contexts look many times too dear."""
BEND = 0.1
"""How far a step moves the points of the curve towards what it took."""
BEND_LIMITS = (0.5, 2.0)
FARTHEST = 2.5
"""So many times its first value is the most that a point becomes, or the least as its inverse. Noise lets the
points of common sizes fall slowly while the scale rises: rare sizes would look ever dearer."""
NEW_POINT = 1.5
"""A size this many times away from its neighbours becomes a point."""
MAX_POINTS = 64
SPLIT_STEPS = 256
"""After so many steps it is asked again whether sequences are to be computed all at once."""
BOUNDS = (1e-3, 1e3)
"""Of the scale."""


class StepTime(StepCost):
    """A StepCost that learns. See there for the terms."""

    def __init__(self, curve: StepCurve = DEFAULT_CURVE) -> None:
        super().__init__(curve)
        self._begin()

    def _begin(self) -> None:
        self._moments = [[1.0, 0.0], [0.0, (DOUBT_CELLS / self.row_s[0]) ** 2]]
        self._sums = [1.0, 0.0]
        self._num_bent = 0
        self._first_row_s, self._first_width_s = list(self.row_s), list(self.width_s)

    def start_again(self, curve: StepCurve) -> None:
        """Takes a curve that was measured in place of what was learned; the price of a cell stays."""
        super().__init__(curve, StepPrices(1.0, self.cell_s))
        self._begin()

    @property
    def prices(self) -> StepPrices:
        """What the curve is multiplied by, and the price of a cell."""
        return StepPrices(self.scale, self.cell_s)

    def observe(self, num_decode: int, num_prompt: int, seconds: float, cells: float = 0.0) -> None:
        """Learns from a step that was run."""
        base = self.base(num_decode, num_prompt)
        seconds = min(seconds, OUTLIER * self.predict(num_decode, num_prompt, cells))
        self._remember(1.0, cells / base, seconds / base)
        self._correct()
        self._bend(num_decode, num_prompt, seconds - self.cell_s * cells)

    def _remember(self, scale: float, cell: float, ratio: float) -> None:
        """Adds a step to the weighted sums: `ratio` is to be scale × `scale` + cell_s × `cell`."""
        parts = (scale, cell)
        for index, part in enumerate(parts):
            self._sums[index] = FORGET * self._sums[index] + part * ratio
            row = self._moments[index]
            row[:] = [FORGET * old + part * other for old, other in zip(row, parts, strict=True)]

    def _correct(self) -> None:
        """One sweep of coordinate descent from the prices before: they stay where the steps do not tell.

        The scale goes first. What either would explain is then a slower node, not a dearer cell: that would
        make long prompts look bad.
        """
        (scales, cross), (_, cells) = self._moments
        low, high = BOUNDS
        self.scale = min(high, max(low, (self._sums[0] - cross * self.cell_s) / scales))
        if cells > 0:
            most = MOST_CELL * self.scale * self.row_s[0]
            self.cell_s = min(most, max(0.0, (self._sums[1] - cross * self.scale) / cells))

    def _bend(self, num_decode: int, num_prompt: int, seconds: float) -> None:
        self._num_bent += 1
        if self._num_bent % SPLIT_STEPS == 0:
            self._splits.clear()
        if num_prompt == 0:
            ratio = seconds / self.scale / self.base(num_decode, 0)
            for width in dict.fromkeys(self.split(num_decode)):
                _bend_curve(
                    self.widths,
                    self.width_s,
                    self._first_width_s,
                    width,
                    ratio * between(self.widths, self.width_s, width),
                )
        else:
            outputs_s = self.outputs_s(num_decode) if num_decode else 0.0
            took = seconds / self.scale - outputs_s
            _bend_curve(self.rows, self.row_s, self._first_row_s, num_decode + num_prompt, took)


def _bend_curve(
    points: list[int], seconds: list[float], first: list[float], number: int, took: float
) -> None:
    """Moves the points on both sides of `number`, the nearer one more. Adds a point where none is near."""
    before = between(points, seconds, number)
    if before <= 0:
        return
    if _is_far(points, number) and len(points) < MAX_POINTS:
        insort(points, number)
        seconds.insert(bisect_left(points, number), before)
        first.insert(bisect_left(points, number), before)
    low, high = BEND_LIMITS
    change = BEND * (min(high, max(low, took / before)) - 1)
    for index, weight in _sides(points, number):
        moved = max(LEAST_S, seconds[index] * (1 + change * weight))
        seconds[index] = min(FARTHEST * first[index], max(first[index] / FARTHEST, moved))


def _is_far(points: list[int], number: int) -> bool:
    return all(max(number, point) >= NEW_POINT * min(number, point) for point in points)


def _sides(points: list[int], number: int) -> list[tuple[int, float]]:
    """The points next to `number`, by index, and how near each is: together 1."""
    index = bisect_left(points, number)
    if index == len(points):
        return [(index - 1, 1.0)]
    if points[index] == number or index == 0:
        return [(index, 1.0)]
    part = (number - points[index - 1]) / (points[index] - points[index - 1])
    return [(index - 1, 1 - part), (index, part)]
