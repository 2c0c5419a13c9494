"""StepCost: the time of a step, from measurements on this node.

Kernels are not linear: 16 tokens may cost less than 12, and 64 less a token than 48. The time of a step is
therefore interpolated linearly on a measured curve (`StepCurve`). It is scaled by the present speed of the
node, and the cells that attention reads are added. The scheduler plans steps with this arithmetic in the
worker, and admission predicts them with the same arithmetic in the server.
"""

from bisect import bisect_left
from collections.abc import Sequence

from xapp.domain.messages import StepCurve, StepPrices

DEFAULT_TOKEN_S = 0.005
"""Assumed price of a token without measurements, seconds."""
LEAST_S = 1e-7
"""Least price of a token, seconds."""
MOST_SPLIT = 32
"""From so many sequences on, all are computed at once."""
CLEARLY = 0.95
"""A split must take no more than this share of the time of one batch: a smaller gain may be noise."""


def straight_curve(token_s: float, step_s: float = 0.0) -> StepCurve:
    """The curve of a node on which each token costs `token_s`, and the step itself `step_s`."""
    seconds = (step_s + token_s, step_s + 2 * token_s)
    return StepCurve((1, 2), seconds, (1, 2), seconds)


DEFAULT_CURVE = straight_curve(DEFAULT_TOKEN_S)


class StepCost:
    """Predicts seconds. `cells` is the sum of the positions of a step's tokens: attention reads them."""

    def __init__(
        self, curve: StepCurve, prices: StepPrices | None = None, apart_from: int | None = None
    ) -> None:
        """See ModelInfo for `apart_from`."""
        assert curve.rows, "a curve has at least one point of each kind"
        assert curve.widths, "a curve has at least one point of each kind"
        self.rows = list(curve.rows)
        self.row_s = list(curve.row_s)
        self.widths = list(curve.widths)
        self.width_s = list(curve.width_s)
        self._splits: dict[int, list[int]] = {}
        self._apart_from = apart_from
        self.scale, self.cell_s = (prices.scale, prices.cell_s) if prices else (1.0, 0.0)

    @property
    def curve(self) -> StepCurve:
        """The present points."""
        return StepCurve(tuple(self.rows), tuple(self.row_s), tuple(self.widths), tuple(self.width_s))

    def predict(self, num_decode: int, num_prompt: int, cells: float = 0.0) -> float:
        """Seconds of a step with so many decoding sequences and prompt tokens."""
        return self.scale * self.base(num_decode, num_prompt) + self.cell_s * cells

    def base(self, num_decode: int, num_prompt: int) -> float:
        """Seconds of such a step on the curve, at scale 1 and without cells."""
        if num_prompt == 0:
            return sum(between(self.widths, self.width_s, width) for width in self.split(num_decode))
        if num_decode == 0:
            return between(self.rows, self.row_s, num_prompt)
        if self.is_apart(num_decode, num_prompt):
            return self.base(0, num_prompt) + self.base(num_decode, 0)
        return between(self.rows, self.row_s, num_decode + num_prompt) + self.outputs_s(num_decode)

    def is_apart(self, num_decode: int, num_prompt: int) -> bool:
        """Whether the step computes its answers and its prompts one after the other."""
        if self._apart_from is None or not num_decode or not num_prompt:
            return False
        return num_decode + num_prompt >= self._apart_from

    def split(self, num_decode: int) -> list[int]:
        """The sizes of the batches that compute all sequences in the least time, the largest first.

        One batch is nearly always best, because the weights are read once. But some kernels are slow at 8
        rows, so that twice 4 takes less.
        """
        if num_decode not in self._splits:
            self._splits[num_decode] = self._best_split(num_decode)
        return self._splits[num_decode]

    def _best_split(self, num_decode: int) -> list[int]:
        if not 1 < num_decode <= MOST_SPLIT:
            return [num_decode]
        alone = [between(self.widths, self.width_s, width) for width in range(num_decode + 1)]
        best_s, first = [0.0], [0]
        for count in range(1, num_decode + 1):
            width = min(range(1, count + 1), key=lambda width: alone[width] + best_s[count - width])
            best_s.append(alone[width] + best_s[count - width])
            first.append(width)
        if best_s[num_decode] > alone[num_decode] * CLEARLY:
            return [num_decode]
        split, count = [], num_decode
        while count:
            split.append(first[count])
            count -= first[count]
        return sorted(split, reverse=True)

    def outputs_s(self, num_decode: int) -> float:
        """Additional cost of the outputs of so many sequences, at scale 1."""
        alone = between(self.widths, self.width_s, num_decode)
        return max(0.0, alone - between(self.rows, self.row_s, num_decode))


def between(points: Sequence[int], seconds: Sequence[float], number: int) -> float:
    """The curve at `number`; 0 at 0. Beyond the last point the last slope continues."""
    if number <= 0:
        return 0.0
    index = bisect_left(points, number)
    if index < len(points) and points[index] == number:
        return seconds[index]
    if index == 0:
        return seconds[0] * number / points[0]
    if index == len(points):
        index -= 1
    if index == 0:
        return max(seconds[0], LEAST_S) * number / points[0]
    left, right = points[index - 1], points[index]
    slope = max(LEAST_S, (seconds[index] - seconds[index - 1]) / (right - left))
    return seconds[index - 1] + slope * (number - left)
