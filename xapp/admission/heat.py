"""Heat: what a lower clock does to predictions, before the board lowers it.

The worker's prices follow the clock: steps that take longer move them (`StepTime`). That is too late for a
promise: a request that is admitted now may still run when the clock is lowered. So the predictor computes the
end as if the clock were lowered at the expected moment. The loss of speed is learned from the prices: those
while the board throttles, divided by those before.
"""

from collections.abc import Callable

from xapp.domain.power import NEVER_S, HeatOutlook

PRIOR = 1.6
"""A Raspberry Pi 5 goes from 2.4 to 1.5 GHz. Until the node has throttled, steps are assumed to follow."""
FADE = 0.05
"""Weight of a message of the worker in the learned prices: about the last 20 decide."""
SETTLE_STEPS = 64
"""After so many steps with a clock, the prices are those of that clock."""
MARGIN = 1.1
"""With the lower clock, steps may take so much longer than the learned loss says: batches differ."""
MOST = 4.0
SOON_S = 30.0
"""Within so long, the node counts as slower for load reports."""


class Heat:
    """The prices of one model, with a full and with a lower clock. `outlook` is that of the node."""

    def __init__(self, outlook: Callable[[], HeatOutlook] = HeatOutlook) -> None:
        self._outlook = outlook
        self._full: float | None = None
        self._scale = 1.0
        self._learned: float | None = None
        self._throttled = False
        self._since = 0

    def see(self, scale: float, num_steps: int) -> None:
        """The factor of the prices in a new message of the worker, after so many steps."""
        throttled = self._outlook().throttled
        if throttled is not self._throttled or num_steps < self._since:
            self._throttled, self._since = throttled, num_steps
        self._scale, settled = scale, num_steps - self._since >= SETTLE_STEPS
        if not throttled and (settled or self._full is None):
            self._full = _moved(self._full, scale)
        elif throttled and settled and self._full is not None:
            self._learned = _moved(self._learned, min(MOST, max(1.0, scale / self._full)))

    @property
    def loss(self) -> float:
        """How many times as long a step takes with the lower clock."""
        return PRIOR if self._learned is None else self._learned

    @property
    def slowdown(self) -> float:
        """The same while the clock is lower, or soon will be; else 1."""
        known = self._full is not None
        return self.loss if known and self._outlook().throttles_in_s <= SOON_S else 1.0

    def stretch(self) -> Callable[[float], float] | None:
        """A function from seconds at the present prices to seconds with the lower clock that comes.

        None where the clock stays as it is, and where the prices were never those of the full clock.
        """
        begins_s = self._outlook().throttles_in_s
        if begins_s == NEVER_S or self._full is None:
            return None
        factor = max(1.0, MARGIN * self._full * self.loss / self._scale)
        if factor == 1.0:
            return None
        return lambda seconds: min(seconds, begins_s) + factor * max(0.0, seconds - begins_s)


def _moved(before: float | None, value: float) -> float:
    return value if before is None else before + FADE * (value - before)
