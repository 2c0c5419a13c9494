"""StepTime: learns from the steps that run how long a step takes on this node now.

It starts from a measured curve (`step_cost`). Each step moves the points of the curve beside its size a
little towards the measured time (`curve_points`). Two figures follow:

- `scale`, the current speed of the node (a throttled clock, other programs), is derived: it is how far all
  points of the curve have moved from their start. Only the points are learned. Noise moves a point to and
  fro, so that a size that rarely runs does not drift.
- `cell_s`, the price of a cell that attention reads, is fitted by least squares to the last steps.
"""

from math import exp

from xapp.domain.messages import StepCurve, StepPrices
from xapp.engine.curve_points import CurvePoints
from xapp.steps.step_cost import DEFAULT_CURVE, StepCost

FORGET = 0.97
"""Decay of a step's weight in the price of a cell: about the last 30 steps decide."""
ERROR_LIMITS = (-0.75, 1.5)
"""Bound of a step's error as a share of the prediction: a single slow step must not starve prefill."""
NO_PRICE = 0.995
"""Decay of the learned price of a cell. The price falls to zero where the steps give no information: steps
of one size that always read the same number of cells would take as long without it.
"""
SETTLING_STEPS = 16
"""The first steps do not count for the price of a cell: their errors are the speed of the node."""
DOUBT_CELLS = 1000
"""Prior: a step that read so many cells took no longer for them. The first steps read few cells."""
MOST_CELL = 0.002
"""Upper bound of a cell's price, as a share of a step of one token. On a node that slows down, steps that
read few cells would otherwise make long contexts look many times too expensive."""
SPLIT_STEPS = 256
"""After so many steps the choice between one batch and several is made again."""


class StepTime(StepCost):
    """A StepCost that learns. StepCost explains the terms."""

    def __init__(self, curve: StepCurve = DEFAULT_CURVE, apart_from: int | None = None) -> None:
        super().__init__(curve, apart_from=apart_from)
        self._begin()

    def _begin(self) -> None:
        self._num_steps = 0
        self._row_points = CurvePoints(self.rows, self.row_s)
        self._width_points = CurvePoints(self.widths, self.width_s)
        self._level, self._level_and_cells, self._steps = 1.0, 0.0, 1.0
        self._cells, self._cells_squared = 0.0, (DOUBT_CELLS / self.row_s[0]) ** 2

    def replace_curve(self, curve: StepCurve) -> None:
        """Replaces what was learned by a measured curve. The price of a cell stays."""
        super().__init__(curve, StepPrices(1.0, self.cell_s), self._apart_from)
        self._begin()

    @property
    def prices(self) -> StepPrices:
        """The factor of the curve, and the price of a cell."""
        return StepPrices(self.scale, self.cell_s)

    def observe(self, num_decode: int, num_prompt: int, seconds: float, cells: float = 0.0) -> None:
        """Learns from a computed step."""
        base_s = self.scale * self.base(num_decode, num_prompt)
        predicted_s = self.predict(num_decode, num_prompt, cells)
        low, high = ERROR_LIMITS
        error = min(high, max(low, seconds / predicted_s - 1))
        if self._num_steps >= SETTLING_STEPS:
            self._learn_cells(cells / base_s, (1 + error) * predicted_s / base_s)
        self._move(num_decode, num_prompt, error)
        self._num_steps += 1
        if self._num_steps % SPLIT_STEPS == 0:
            self._splits.clear()

    def _learn_cells(self, cells: float, level: float) -> None:
        """`level` is average + cell_s × `cells`, both as shares of the step without cells.

        The average is fitted first. Where both could explain an error, the node is slower and the price of
        a cell stays: a higher price would wrongly make long prompts expensive.
        """
        self._steps = FORGET * self._steps + 1
        self._cells = FORGET * self._cells + cells
        self._cells_squared = FORGET * self._cells_squared + cells * cells
        self._level = FORGET * self._level + level
        self._level_and_cells = FORGET * self._level_and_cells + level * cells
        average = (self._level - self._cells * self.cell_s) / self._steps
        if self._cells_squared > 0:
            most = MOST_CELL * self.scale * self.row_s[0]
            cell_s = (self._level_and_cells - self._cells * average) / self._cells_squared
            self.cell_s = min(most, max(0.0, NO_PRICE * cell_s))

    def _move(self, num_decode: int, num_prompt: int, error: float) -> None:
        if self.is_apart(num_decode, num_prompt):
            prompts = self.base(0, num_prompt) / self.base(num_decode, num_prompt)
            self._row_points.move(num_prompt, error, prompts)
            self._move_widths(num_decode, error, 1 - prompts)
        elif num_prompt:
            # The outputs of decoding sequences are a part of the step and get their part of the error.
            outputs = self.outputs_s(num_decode) / self.base(num_decode, num_prompt) if num_decode else 0.0
            self._row_points.move(num_decode + num_prompt, error, 1 - outputs)
            if outputs > 0:
                self._width_points.move(num_decode, error, outputs)
        else:
            self._move_widths(num_decode, error, 1.0)
        self.scale = exp(self._row_points.common + self._width_points.common)

    def _move_widths(self, num_decode: int, error: float, weight: float) -> None:
        widths = dict.fromkeys(self.split(num_decode))
        for width in widths:
            self._width_points.move(width, error, weight / len(widths))
