"""The speeds of a board, from the public figures: bytes read a second, weights multiplied a second.

Each speed is the geometric mean over the figures, with the interval in which another such figure lies in
95 of 100 cases. A single figure says nothing of its spread: then the spread is that of the other kinds.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perf.predict.tables import Board, PublicFigure
from perf.record.statistics_of_samples import t_quantile

SINGLE_SPREAD = 0.15
"""Standard deviation of the logarithm of one figure, where there is no other."""
ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate a second, and the interval of another measurement. `num` figures are behind it."""

    value: float
    low: float
    high: float
    num: int

    def times(self, factor: float) -> "Rate":
        """The rate in another unit."""
        return Rate(self.value * factor, self.low * factor, self.high * factor, self.num)


def rate_of(values: Sequence[float]) -> Rate:
    """Raises ValueError without a value."""
    logs = [math.log(value) for value in values]
    middle, count = statistics.fmean(logs), len(logs)
    spread = statistics.stdev(logs) if count > 1 else SINGLE_SPREAD
    degrees = count - 1 if count > 2 else 10
    half = t_quantile(degrees) * max(spread, SINGLE_SPREAD / 3) * math.sqrt(1 + 1 / count)
    return Rate(math.exp(middle), math.exp(middle - half), math.exp(middle + half), count)


@dataclass(frozen=True, slots=True)
class Speeds:
    """`bandwidth`: bytes a second that decoding reads. `compute`: by kernels, weights a second that a prompt
    multiplies.
    """

    bandwidth: Rate
    compute: dict[str, Rate]

    def compute_of(self, kernels: str) -> Rate:
        """Of these kernels; where nobody measured them, of those that work row by row, or of any."""
        found = self.compute.get(kernels) or self.compute.get(ROWS)
        return found or next(iter(self.compute.values()))


def speeds_of(board: Board, figures: Iterable[PublicFigure]) -> Speeds:
    """From the figures of this board. Raises ValueError without figures of both kinds."""
    own = [each for each in figures if each.board == board.name]
    reads = [bandwidth_of(board, each) for each in own if each.tells("decode")]
    rates: dict[str, list[float]] = {}
    for each in own:
        if each.tells("prefill"):
            rates.setdefault(each.kernels, []).append(_compute(each))
    return Speeds(rate_of(reads), {kernels: rate_of(found) for kernels, found in rates.items()})


def bandwidth_of(board: Board, figure: PublicFigure) -> float:
    """Bytes a second, as with all threads."""
    assert figure.decode is not None
    share = board.decode_bandwidth[(figure.threads or board.threads) - 1]
    return figure.decode * figure.shape.read_bytes / share


def _compute(figure: PublicFigure) -> float:
    assert figure.prefill is not None
    return figure.prefill * figure.shape.prefill_params
