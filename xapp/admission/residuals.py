"""Residuals: the recent error of predictions, as actual divided by predicted time.

An observation loses weight as it gets older, and as the price of steps moves away from the price at its time.
The estimate then shrinks towards the prior.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from time import monotonic

MAX_RATIOS = 32
MIN_RATIOS = 6
FORGET_S = 300.0
FRESH_S = 120.0
"""Age up to which a ratio has full weight. Its weight then halves each HALF_LIFE_S."""
HALF_LIFE_S = 60.0
SAME_PRICE = 1.5
"""Prices within this factor count as equal. At four times the price a ratio has a weight of 3/8."""
BOUNDS = (0.25, 16.0)
GUESSES = {0.5: 1.0, 0.95: 1.25}
"""Prior by quantile, with few observations."""
NEAREST = (0, -1, 1, -2, 2)
"""Neighbouring levels that are used in this order where a level has too few observations."""


@dataclass(frozen=True, slots=True)
class Key:
    """Predictions with similar errors: most similar at the same `level`, less at the next level."""

    what: Hashable
    level: int = 0


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A ratio learned `at` a time, when steps had that `price`. `trust` 1 is full weight, 0 none."""

    value: float
    at: float
    price: float
    trust: float = 1.0

    def trusted(self, now: float, price: float) -> float:
        """The weight now. This runs dozens of times for each request."""
        trust, age = self.trust, now - self.at
        if age > FRESH_S:
            trust *= 0.5 ** ((age - FRESH_S) / HALF_LIFE_S)
        alike = SAME_PRICE * (self.price / price if self.price < price else price / self.price)
        return trust * alike if alike < 1.0 else trust


class Residuals:
    """Ratios by key.

    There are few keys. `clock` is monotonic, `price` returns the present price of a step.
    """

    def __init__(
        self, clock: Callable[[], float] = monotonic, price: Callable[[], float] = lambda: 1.0
    ) -> None:
        self._clock = clock
        self._price = price
        self._ratios: dict[Key, deque[_Ratio]] = {}

    def record(self, key: Key, predicted_s: float, actual_s: float) -> None:
        """Records a prediction and the actual time."""
        if predicted_s > 0:
            low, high = BOUNDS
            ratios = self._ratios.setdefault(key, deque(maxlen=MAX_RATIOS))
            ratio = min(high, max(low, actual_s / predicted_s))
            ratios.append(_Ratio(ratio, self._clock(), self._price()))

    def doubt(self, key: Key) -> None:
        """Halves the weight of all observations so far."""
        ratios = self._ratios.get(key, deque())
        self._ratios[key] = deque((replace(each, trust=each.trust / 2) for each in ratios), MAX_RATIOS)

    def factor(self, key: Key, share: float) -> float:
        """The factor for a prediction such that actual times stay below it with probability `share`, 0.5 or
        0.95.
        """
        for distance in NEAREST:
            ratios = self._ratios.get(Key(key.what, key.level + distance))
            if ratios is None or len(ratios) < MIN_RATIOS:
                continue
            seen = self._seen(ratios, GUESSES[share])
            if len(seen) >= MIN_RATIOS:
                return seen[min(len(seen) - 1, int(share * len(seen)))]
        return GUESSES[share]

    def _seen(self, ratios: Iterable[_Ratio], guess: float) -> list[float]:
        """The ratios, sorted, each moved towards the guess by its lack of trust."""
        now, price = self._clock(), self._price()
        fresh = (each for each in ratios if now - each.at <= FORGET_S)
        return sorted(guess * (each.value / guess) ** each.trusted(now, price) for each in fresh)
