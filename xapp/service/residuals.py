"""How far predictions were off lately: what took place divided by what was predicted."""

from collections import deque
from collections.abc import Callable, Hashable
from time import monotonic

MAX_RATIOS = 32
MIN_RATIOS = 6
FORGET_S = 300.0
BOUNDS = (0.25, 4.0)
GUESSES = {0.5: 1.0, 0.95: 1.25}
"""By quantile, until enough was seen."""


class Residuals:
    """Ratios by `key`, of which there are few; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._ratios: dict[Hashable, deque[tuple[float, float]]] = {}

    def record(self, key: Hashable, predicted_s: float, actual_s: float) -> None:
        """A prediction met reality."""
        if predicted_s > 0:
            low, high = BOUNDS
            ratios = self._ratios.setdefault(key, deque(maxlen=MAX_RATIOS))
            ratios.append((self._clock(), min(high, max(low, actual_s / predicted_s))))

    def factor(self, key: Hashable, share: float) -> float:
        """By what a prediction is multiplied so that `share` (0.5 or 0.95) of them are not exceeded."""
        since = self._clock() - FORGET_S
        seen = sorted(ratio for at, ratio in self._ratios.get(key, ()) if at >= since)
        if len(seen) < MIN_RATIOS:
            return GUESSES[share]
        return seen[min(len(seen) - 1, int(share * len(seen)))]
