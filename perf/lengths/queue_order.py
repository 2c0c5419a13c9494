"""What an order of waiting requests is worth, on virtual time: bursts of answers on a node with a few slots.

The order is the node's own (`xapp.admission.turn`): the turn of a request is its arrival and PATIENCE times
the predicted time of its answer. A slot computes one answer after the other, a token a unit of time.
"""

import heapq
import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from xapp.admission.turn import PATIENCE

SLOTS = 4
BURST = 60
NUM_BURSTS = 20
_LONG_SHARE = 0.2
_SPREAD = 0.25
"""A burst arrives within this share of the time that it takes to compute."""


class Wanted(NamedTuple):
    """An answer of `tokens`, of which `predicted` are expected."""

    tokens: int
    predicted: int


class Completion(NamedTuple):
    """Mean time of all answers, and the 99th percentile of the longest fifth."""

    mean: float
    long_p99: float


def completion(wanted: Sequence[Wanted], seed: int, *, shortest_first: bool) -> Completion:
    """Times from arrival to the last token, of NUM_BURSTS bursts drawn from the answers."""
    draw = random.Random(seed)
    took: list[tuple[int, float]] = []
    for _ in range(NUM_BURSTS):
        burst = [draw.choice(wanted) for _ in range(BURST)]
        spread = _SPREAD * sum(each.tokens for each in burst) / SLOTS
        arrivals = sorted(draw.uniform(0, spread) for _ in burst)
        took += _computed(list(zip(arrivals, burst, strict=True)), shortest_first=shortest_first)
    long = sorted(tokens for tokens, _ in took)[int(len(took) * (1 - _LONG_SHARE))]
    times = sorted(time for tokens, time in took if tokens >= long)
    return Completion(statistics.mean(time for _, time in took), times[int(0.99 * (len(times) - 1))])


def _computed(burst: list[tuple[float, Wanted]], *, shortest_first: bool) -> list[tuple[int, float]]:
    """Tokens and time of each answer."""
    free, took = [0.0] * SLOTS, []
    waiting: list[tuple[float, float, Wanted]] = []
    while burst or waiting:
        now = heapq.heappop(free)
        if not waiting:
            now = max(now, burst[0][0])
        while burst and burst[0][0] <= now:
            arrival, each = burst.pop(0)
            turn = arrival + (PATIENCE * each.predicted if shortest_first else 0.0)
            heapq.heappush(waiting, (turn, arrival, each))
        _, arrival, each = heapq.heappop(waiting)
        heapq.heappush(free, now + each.tokens)
        took.append((each.tokens, now + each.tokens - arrival))
    return took
