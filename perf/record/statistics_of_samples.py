"""Statistics of samples: middles, spreads and 95 % intervals. Seeded, so the same samples give the same."""

import math
import random
import statistics
from collections.abc import Callable, Sequence

import msgspec

from perf.stream_figures import percentile

__all__ = [
    "Interval",
    "bootstrap_interval",
    "coefficient_of_variation",
    "mean",
    "median",
    "percentile",
    "ratio_of_pairs",
    "t_interval",
    "t_quantile",
    "welch_interval",
    "wilson_interval",
]

_Z = 1.959963984540054  # normal quantile at 97.5 %
# Student's t at 97.5 %, 1 to 10 degrees of freedom; the expansion below is good to 1e-3 beyond.
_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
_RESAMPLES = 2000


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval; `low` and `high` are None where one sample says nothing of spread."""

    value: float
    low: float | None = None
    high: float | None = None
    num_samples: int = 0


def mean(samples: Sequence[float]) -> float:
    """Raises ValueError (statistics.StatisticsError) without samples."""
    return statistics.fmean(samples)


def median(samples: Sequence[float]) -> float:
    """Raises ValueError (statistics.StatisticsError) without samples."""
    return statistics.median(samples)


def coefficient_of_variation(samples: Sequence[float]) -> float | None:
    """Standard deviation ÷ mean; None of fewer than two samples or a mean of zero."""
    if len(samples) < 2 or not (middle := mean(samples)):
        return None
    return statistics.stdev(samples) / middle


def t_quantile(degrees: float) -> float:
    """Student's t at 97.5 %. `degrees` of freedom at least 1; between whole ones the smaller counts."""
    if degrees < 1:
        raise ValueError(f"{degrees} degrees of freedom")
    if degrees < len(_T) + 1:
        return _T[int(degrees) - 1]
    # Cornish–Fisher (Abramowitz and Stegun 26.7.5).
    return (
        _Z
        + (_Z**3 + _Z) / (4 * degrees)
        + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * degrees**2)
        + (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / (384 * degrees**3)
    )


def t_interval(samples: Sequence[float]) -> Interval:
    """Mean with Student's interval. Raises ValueError without samples."""
    middle = mean(samples)
    if len(samples) < 2:
        return Interval(middle, num_samples=len(samples))
    half = t_quantile(len(samples) - 1) * statistics.stdev(samples) / math.sqrt(len(samples))
    return Interval(middle, middle - half, middle + half, len(samples))


def bootstrap_interval(
    samples: Sequence[float], statistic: Callable[[Sequence[float]], float] = median, *, seed: int = 0
) -> Interval:
    """Any statistic of independent samples, percentile bootstrap. Raises ValueError without samples."""
    value = statistic(samples)
    if len(samples) < 2:
        return Interval(value, num_samples=len(samples))
    draw = random.Random(seed)
    found = [statistic(draw.choices(samples, k=len(samples))) for _ in range(_RESAMPLES)]
    return Interval(value, percentile(found, 2.5), percentile(found, 97.5), len(samples))


def wilson_interval(successes: int, total: int) -> Interval:
    """A share with Wilson's score interval. Raises ValueError unless 0 ≤ successes ≤ total, total ≥ 1."""
    if not 0 <= successes <= total or total < 1:
        raise ValueError(f"{successes} of {total}")
    share = successes / total
    scale = 1 + _Z**2 / total
    centre = (share + _Z**2 / (2 * total)) / scale
    half = _Z * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2)) / scale
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), total)


def ratio_of_pairs(above: Sequence[float], below: Sequence[float]) -> Interval:
    """Above ÷ below of paired rounds: geometric mean, Student's interval of the logarithms.

    Raises ValueError when the lengths differ, without pairs, or when a value is not positive.
    """
    if len(above) != len(below):
        raise ValueError(f"{len(above)} values and {len(below)} are no pairs")
    if any(each <= 0 for each in (*above, *below)):
        raise ValueError("a ratio of values that are not positive")
    logs = t_interval([math.log(a / b) for a, b in zip(above, below, strict=True)])
    if logs.low is None or logs.high is None:
        return Interval(math.exp(logs.value), num_samples=logs.num_samples)
    return Interval(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.num_samples)


def welch_interval(before: Sequence[float], after: Sequence[float]) -> Interval:
    """After − before of unpaired samples, Welch's interval. Raises ValueError under two samples a side."""
    if len(before) < 2 or len(after) < 2:
        raise ValueError("two samples on each side are needed")
    difference = mean(after) - mean(before)
    parts = [statistics.variance(each) / len(each) for each in (before, after)]
    if not sum(parts):
        return Interval(difference, difference, difference, len(before) + len(after))
    dof = sum(parts) ** 2 / sum(
        part**2 / (len(each) - 1) for part, each in zip(parts, (before, after), strict=True)
    )
    half = t_quantile(dof) * math.sqrt(sum(parts))
    return Interval(difference, difference - half, difference + half, len(before) + len(after))
