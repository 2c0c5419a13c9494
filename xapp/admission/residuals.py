"""How far predictions were off lately: what took place divided by what was predicted.

What was learned counts less as it gets old, and once steps have another price than when it was learned: it
shrinks towards what is taken where nothing is known.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from time import monotonic

MAX_RATIOS = 32
MIN_RATIOS = 6
FORGET_S = 300.0
FRESH_S = 120.0
"""So long a ratio counts in full; after that by half for each HALF_LIFE_S more."""
HALF_LIFE_S = 60.0
SAME_PRICE = 1.5
"""Prices that differ by less than this factor are the same. At four times the price a ratio counts by 3/8."""
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


@dataclass(frozen=True, slots=True)
class _Ratio:
    """Learned `at` that time, when steps had that `price`. `trust` 1 counts in full, 0 not at all."""

    value: float
    at: float
    price: float
    trust: float = 1.0

    def trusted(self, now: float, price: float) -> float:
        """How much it counts now."""
        aged: float = 0.5 ** (max(0.0, now - self.at - FRESH_S) / HALF_LIFE_S)
        alike = min(self.price, price) / max(self.price, price)
        return self.trust * aged * min(1.0, SAME_PRICE * alike)


class Residuals:
    """Ratios by key, of which there are few; `clock` is monotonic, `price` tells what a step costs now."""

    def __init__(
        self, clock: Callable[[], float] = monotonic, price: Callable[[], float] = lambda: 1.0
    ) -> None:
        self._clock = clock
        self._price = price
        self._ratios: dict[Key, deque[_Ratio]] = {}

    def record(self, key: Key, predicted_s: float, actual_s: float) -> None:
        """A prediction met reality."""
        if predicted_s > 0:
            low, high = BOUNDS
            ratios = self._ratios.setdefault(key, deque(maxlen=MAX_RATIOS))
            ratio = min(high, max(low, actual_s / predicted_s))
            ratios.append(_Ratio(ratio, self._clock(), self._price()))

    def doubt(self, key: Key) -> None:
        """What was seen until now counts by half."""
        ratios = self._ratios.get(key, deque())
        self._ratios[key] = deque((replace(each, trust=each.trust / 2) for each in ratios), MAX_RATIOS)

    def factor(self, key: Key, share: float) -> float:
        """By what a prediction is multiplied so that `share` (0.5 or 0.95) of them are not exceeded."""
        for level in _nearest(key.level):
            seen = self._seen(Key(key.what, level), GUESSES[share])
            if len(seen) >= MIN_RATIOS:
                return seen[min(len(seen) - 1, int(share * len(seen)))]
        return GUESSES[share]

    def _seen(self, key: Key, guess: float) -> list[float]:
        """Sorted; each as far from the guess as it is trusted."""
        now, price = self._clock(), self._price()
        ratios = (each for each in self._ratios.get(key, ()) if now - each.at <= FORGET_S)
        return sorted(guess * (each.value / guess) ** each.trusted(now, price) for each in ratios)


def _nearest(level: int) -> list[int]:
    """It, then its neighbours, the nearer first."""
    return sorted(range(level - NEAR, level + NEAR + 1), key=lambda each: abs(each - level))
