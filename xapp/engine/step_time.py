"""StepTime: learns from the steps that run how long a step takes on this node now.

It starts from a measured curve (`step_cost`). Each step moves the points of the curve beside its size a
little towards what the step took (`curve_points`). Two things follow:

- `scale`, how fast the node is now (a throttled clock, noisy neighbours), is no figure of its own: it is
  how far all points of the curve have moved from where they began. So nothing but the points is learned, and
  noise, which moves a point to and fro, lets no size drift that is rarely run.
- `cell_s`, the price of a cell that attention reads, is fitted by least squares to the last steps.
"""

from math import exp

from xapp.domain.messages import StepCurve, StepPrices
from xapp.engine.curve_points import CurvePoints
from xapp.steps.step_cost import DEFAULT_CURVE, StepCost

FORGET = 0.97
"""What a step weighs in the price of a cell after the next: the last 30 or so decide."""
ERROR_LIMITS = (-0.75, 1.5)
"""How much shorter or longer than predicted a step counts at most, as a share of the prediction: a hiccup
must not starve prefill."""
NO_PRICE = 0.995
"""What the steps told of a cell's price counts a little less. So the price goes to nothing where they do not
tell: steps of one size that always read as many cells would take as long without it.
"""
SETTLING_STEPS = 16
"""The first steps say nothing of a cell's price: what they take longer or shorter is the node."""
DOUBT_CELLS = 1000
"""It starts as if a step that read so many cells had taken no longer for them: the first steps read few."""
MOST_CELL = 0.002
"""A cell costs at most this share of a step of one token. Steps that read few cells, on a node that gets
slower meanwhile, would otherwise make long contexts look many times too dear."""
SPLIT_STEPS = 256
"""After so many steps it is asked again whether sequences are to be computed all at once."""


class StepTime(StepCost):
    """A StepCost that learns. See there for the terms."""

    def __init__(self, curve: StepCurve = DEFAULT_CURVE) -> None:
        super().__init__(curve)
        self._begin()

    def _begin(self) -> None:
        self._num_steps = 0
        self._row_points = CurvePoints(self.rows, self.row_s)
        self._width_points = CurvePoints(self.widths, self.width_s)
        self._level, self._level_and_cells, self._steps = 1.0, 0.0, 1.0
        self._cells, self._cells_squared = 0.0, (DOUBT_CELLS / self.row_s[0]) ** 2

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
        """`level` is what it is on average + cell_s × `cells`: both as shares of the step without cells.

        The average goes first. What either would explain is then a slower node, not a dearer cell: that
        would make long prompts look bad.
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
        if num_prompt:
            # The outputs of those who decode are a part of the step: they get their part of the error.
            outputs = self.outputs_s(num_decode) / self.base(num_decode, num_prompt) if num_decode else 0.0
            self._row_points.move(num_decode + num_prompt, error, 1 - outputs)
            if outputs > 0:
                self._width_points.move(num_decode, error, outputs)
        else:
            widths = dict.fromkeys(self.split(num_decode))
            for width in widths:
                self._width_points.move(width, error, 1 / len(widths))
        self.scale = exp(self._row_points.common + self._width_points.common)
