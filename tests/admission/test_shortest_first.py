"""Bursts of short and long answers on virtual time: what the order of waiting requests is worth."""

import random
import statistics

import pytest

from tests.service.virtual_node import VirtualNode, Wanted
from xapp.admission.turn import Order

BURST, NUM_BURSTS, GAP_S = 60, 3, 25.0
LONG = 100


def bursts(seed: int) -> list[Wanted]:
    """Of five answers four are short."""
    draw = random.Random(seed)
    made = [
        Wanted(
            number * GAP_S + draw.random(),
            draw.randint(8, 60),
            draw.randint(200, 400) if draw.random() < 0.2 else draw.randint(8, 40),
        )
        for number in range(NUM_BURSTS)
        for _ in range(BURST)
    ]
    return sorted(made, key=lambda wanted: wanted.at)


def times(order: Order, seed: int) -> tuple[float, float, int]:
    """Mean completion, the latest long answer, and how many requests ended."""
    node = VirtualNode(by_deadline=False, order=order)
    node.open_loop(bursts(seed))
    took = [answer.took_s for answer in node.answers]
    long = [answer.took_s for answer in node.answers if answer.wanted.tokens >= LONG]
    return statistics.mean(took), max(long), len(took)


@pytest.mark.parametrize("seed", [1])
def test_shortest_first_shortens_the_mean_and_starves_nobody(seed: int) -> None:
    mean, longest, count = times("arrival", seed)
    shorter, latest, same = times("shortest", seed)
    assert same == count == BURST * NUM_BURSTS
    assert shorter / mean <= 0.8
    assert latest / longest <= 1.3
    learned, _, _ = times("auto", seed)
    assert learned / mean <= 0.9
