"""Turn: the place of a request among the waiting requests of its class.

First come, first served lets a short answer wait for long ones. With shortest first, the turn of a request
is its arrival and PATIENCE times the predicted time of its answer, at most its deadline. So it is passed by
shorter ones for a bounded time only, and then by nobody that came after it: no request starves.

The order is worth what the predictions are worth. With `auto` the node compares predicted and actual lengths,
and falls back to the order of arrival while they do not agree.
"""

from collections import deque
from itertools import combinations
from typing import Literal

Order = Literal["auto", "arrival", "shortest"]

PATIENCE = 8.0
"""Seconds that a request may be passed for each second of its answer, computed alone."""
MEMORY = 48
MIN_PAIRS = 12
LEAST_AGREEMENT = 0.3
"""Kendall's τ from which on the predictions pay; replications of learned predictors reach 0.5 to 0.6."""
_EVERY = 4


class Turns:
    """Gives requests their turns, and learns whether predictions of lengths agree with the answers."""

    def __init__(self, order: Order = "arrival") -> None:
        self._order = order
        self._pairs: deque[tuple[int, int]] = deque(maxlen=MEMORY)
        self._num_learned = 0
        self.agreement = 0.0

    @property
    def shortest_first(self) -> bool:
        """Whether shorter answers go first now."""
        if self._order == "auto":
            return self.agreement >= LEAST_AGREEMENT
        return self._order == "shortest"

    def turn(self, arrival: float, deadline: float, answer_s: float) -> float | None:
        """The turn of a request on CLOCK_MONOTONIC; None: its deadline decides."""
        return min(deadline, arrival + PATIENCE * answer_s) if self.shortest_first else None

    def learn(self, predicted: int, actual: int) -> None:
        """An answer of `actual` tokens ended, of which `predicted` were expected."""
        self._pairs.append((predicted, actual))
        self._num_learned += 1
        if len(self._pairs) >= MIN_PAIRS and self._num_learned % _EVERY == 0:
            self.agreement = rank_correlation(self._pairs)


def rank_correlation(pairs: "deque[tuple[int, int]] | list[tuple[int, int]]") -> float:
    """Kendall's τ-b: 1 where both sides have the same order, 0 without a relation."""
    agreeing = ties_left = ties_right = 0
    total = len(pairs) * (len(pairs) - 1) // 2
    for (left, right), (other_left, other_right) in combinations(pairs, 2):
        product = (left - other_left) * (right - other_right)
        agreeing += (product > 0) - (product < 0)
        ties_left += left == other_left
        ties_right += right == other_right
    scale = ((total - ties_left) * (total - ties_right)) ** 0.5
    return agreeing / scale if scale else 0.0
