"""A linear model of counts of a prompt, learned one answer after the other. Old answers fade.

It keeps sums, no answers: the sums of the last answers of a kind do not tell what anybody asked.
"""

from collections.abc import Sequence
from math import sqrt

KEPT = 0.98
"""Weight of an answer when the next one comes: about the last 50 decide."""
RIDGE = 2.0
"""Pull of each weight to 0, in answers: few answers say little about ten counts."""
_LEAST_SPREAD = 1e-9


class PromptFit:
    """Predicts a number from `num_counts` counts of a prompt."""

    def __init__(self, num_counts: int) -> None:
        self._size = num_counts + 1
        self._sums = [[0.0] * self._size for _ in range(self._size + 1)]
        """Products of the counts, of 1 and of the number, each with each: the last row is the number's."""
        self._solved: tuple[list[float], list[float], float] | None = None

    def learn(self, counts: Sequence[float], number: float) -> None:
        """A prompt with these counts turned out to have this number."""
        row = (*counts, 1.0)
        for sums, each in zip(self._sums, (*row, number), strict=True):
            for place, other in enumerate(row):
                sums[place] = KEPT * sums[place] + each * other
        self._solved = None

    def predict(self, counts: Sequence[float]) -> float:
        """The number that a prompt with these counts is expected to have. 0 before anything was learned."""
        if self._solved is None:
            self._solved = self._solve()
        means, weights, middle = self._solved
        rows = zip(counts, means, weights, strict=True)
        return middle + sum((count - mean) * weight for count, mean, weight in rows)

    def _solve(self) -> tuple[list[float], list[float], float]:
        """Mean and weight of each count, and the mean of the number."""
        *products, ones, numbers = self._sums
        size, total = self._size - 1, ones[-1]
        if not total:
            return [0.0] * size, [0.0] * size, 0.0
        means, middle = [each / total for each in ones[:size]], numbers[-1] / total
        spreads = [sqrt(max(0.0, products[at][at] / total - means[at] ** 2)) for at in range(size)]
        used = [at for at in range(size) if spreads[at] > _LEAST_SPREAD * (1 + abs(means[at]))]

        def correlation(at: int, to: int) -> float:
            return (products[at][to] / total - means[at] * means[to]) / spreads[at] / spreads[to]

        rows = [
            [*(correlation(at, to) for to in used), (numbers[at] / total - means[at] * middle) / spreads[at]]
            for at in used
        ]
        for at, row in enumerate(rows):
            row[at] += RIDGE / total
        weights = [0.0] * size
        for at, weight in zip(used, solved(rows), strict=True):
            weights[at] = weight / spreads[at]
        return means, weights, middle


def solved(rows: list[list[float]]) -> list[float]:
    """Solves linear equations: each row has its coefficients, then its right side. The matrix is symmetric
    and positive definite, so no row changes its place.
    """
    size = len(rows)
    for at in range(size):
        for row in rows[at + 1 :]:
            factor = row[at] / rows[at][at]
            for to in range(at, size + 1):
                row[to] -= factor * rows[at][to]
    found = [0.0] * size
    for at in reversed(range(size)):
        known = sum(rows[at][to] * found[to] for to in range(at + 1, size))
        found[at] = (rows[at][size] - known) / rows[at][at]
    return found
