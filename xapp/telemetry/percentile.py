"""Percentiles by nearest rank: each is a value that was seen."""

from collections.abc import Iterable, Sequence


def percentile(samples: Iterable[float], percent: float) -> float:
    """The value at `percent`, above 0 and up to 100. Raises ValueError without samples."""
    return nearest_rank(sorted(samples), percent)


def nearest_rank(ordered: Sequence[float], percent: float) -> float:
    """As `percentile`, for samples in ascending order."""
    if not ordered:
        raise ValueError("no samples")
    rank = -(-percent * len(ordered) // 100)
    return ordered[max(0, int(rank) - 1)]
