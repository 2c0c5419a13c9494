"""Cost–quality curves of a signal: accuracy against the share of questions that the big model answers.

PGR = (accuracy − little's) / (big's − little's). APGR is its mean over the share sent, 0 to 1: 0.5 for a
random order. CPT(x) is the least share sent whose PGR is x. Questions with equal values are sent in a random
order: their mean is taken.
"""

from collections.abc import Sequence
from itertools import groupby, pairwise

UNDEFINED = -1.0
"""Of a resample in which the big model is not better: it counts as the worst."""


def curve(values: Sequence[float], gains: Sequence[int]) -> list[float]:
    """The sum of gains when the k hardest questions are sent, k from 0 to all."""
    order = sorted(zip(values, gains, strict=True), key=lambda pair: -pair[0])
    sums = [0.0]
    for _, group in groupby(order, key=lambda pair: pair[0]):
        tied = [gain for _, gain in group]
        each = sum(tied) / len(tied)
        start = sums[-1]
        sums += [start + each * (number + 1) for number in range(len(tied))]
    return sums


def apgr(values: Sequence[float], gains: Sequence[int]) -> float:
    """The area under PGR over the share sent, by trapezoids; UNDEFINED without a gain in all."""
    sums = curve(values, gains)
    if sums[-1] <= 0:
        return UNDEFINED
    area = sum((left + right) / 2 for left, right in pairwise(sums))
    return area / len(gains) / sums[-1]


def cpt(values: Sequence[float], gains: Sequence[int], recovered: float) -> float:
    """The least share sent that recovers so much of the gain, 0 to 1. 1 without a gain in all."""
    sums = curve(values, gains)
    if sums[-1] <= 0:
        return 1.0
    enough = (index for index, value in enumerate(sums) if value >= recovered * sums[-1] - 1e-9)
    return next(enough) / len(gains)


def error_rate(values: Sequence[float], is_right: Sequence[bool], threshold: float) -> float:
    """The share of questions that are sent although the little model is right, or kept when it is wrong."""
    wrong = sum((value > threshold) == right for value, right in zip(values, is_right, strict=True))
    return wrong / len(values)


def share_sent(values: Sequence[float], threshold: float) -> float:
    """The share of questions above the threshold."""
    return sum(value > threshold for value in values) / len(values)
