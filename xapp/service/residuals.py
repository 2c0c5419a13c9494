"""How far predictions were off lately: what took place divided by what was predicted."""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic

MAX_RATIOS = 32
MIN_RATIOS = 6
FORGET_S = 300.0
BOUNDS = (0.25, 16.0)
GUESSES = {0.5: 1.0, 0.95: 1.25}
"""By quantile, until enough was seen."""


NEAR = 2
"""Levels below and above from which is learned where too little was seen at one."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is alike in being wrong; most at the same `level`, less at the next."""

    what: Hashable
    level: int = 0


class Residuals:
    """Ratios by key, of which there are few; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._ratios: dict[Key, deque[tuple[float, float]]] = {}

    def record(self, key: Key, predicted_s: float, actual_s: float) -> None:
        """A prediction met reality."""
        if predicted_s > 0:
            low, high = BOUNDS
            ratios = self._ratios.setdefault(key, deque(maxlen=MAX_RATIOS))
            ratios.append((self._clock(), min(high, max(low, actual_s / predicted_s))))

    def factor(self, key: Key, share: float) -> float:
        """By what a prediction is multiplied so that `share` (0.5 or 0.95) of them are not exceeded."""
        for level in _nearest(key.level):
            seen = self._seen(Key(key.what, level))
            if len(seen) >= MIN_RATIOS:
                return seen[min(len(seen) - 1, int(share * len(seen)))]
        return GUESSES[share]

    def _seen(self, key: Key) -> list[float]:
        since = self._clock() - FORGET_S
        return sorted(ratio for at, ratio in self._ratios.get(key, ()) if at >= since)


def _nearest(level: int) -> list[int]:
    """It, then its neighbours, the nearer first."""
    return sorted(range(level - NEAR, level + NEAR + 1), key=lambda each: abs(each - level))
