"""A pool at 1.5 times its capacity, on virtual time: how much of an ideal node's work it does."""

import random
from collections.abc import Sequence

import pytest

from tests.scale import sized
from tests.service.virtual_node import Wanted
from tests.service.virtual_pool import VirtualPool

CAPACITY = 6.8
"""Answers a second of a node of speed 1."""
POOL = 4
FULL_S, END_S = 5.0, 13.0


def coming(seed: int) -> list[Wanted]:
    rng = random.Random(seed)
    at, wanted = 0.0, []
    while (at := at + rng.expovariate(1.5 * POOL * CAPACITY)) < END_S:
        wanted.append(Wanted(at, 16, 24, within_s=3.2))
    return wanted


def goodput(speeds: Sequence[float], wanted: Sequence[Wanted]) -> float:
    pool = VirtualPool(speeds)
    pool.open_loop(wanted)
    return pool.goodput(FULL_S, END_S)


@pytest.mark.parametrize("seed", range(sized(1, 2)))
def test_a_pool_with_one_retry_does_what_one_node_of_its_speed_does(seed: int) -> None:
    wanted = coming(seed)
    assert goodput([1.0] * POOL, wanted) >= 0.95 * goodput([float(POOL)], wanted)
