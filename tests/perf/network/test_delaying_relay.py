import random

import pytest

from perf.network.delaying_relay import Direction
from perf.network.link_shape import Shape


def direction(**shape: float) -> Direction:
    return Direction(Shape(**shape), random.Random(1))


def test_a_packet_takes_its_time_on_the_line_and_half_of_the_round_trip() -> None:
    assert direction(rtt_s=0.05, rate=8000.0).due(10.0, 100) == pytest.approx(10.0 + 0.1 + 0.025)


def test_a_packet_waits_until_the_line_is_free() -> None:
    line = direction(rate=8000.0)
    assert line.due(0.0, 100) == pytest.approx(0.1)
    assert line.due(0.0, 100) == pytest.approx(0.2)
    assert line.due(5.0, 100) == pytest.approx(5.1)


def test_what_finds_a_full_queue_is_dropped() -> None:
    line = direction(rate=8000.0)
    for _ in range(1000):
        assert line.due(0.0, 100) is not None
    assert line.due(0.0, 100) is None


def test_about_the_given_share_is_lost() -> None:
    line = direction(loss=0.2)
    lost = 0
    for _ in range(1000):
        lost += line.due(0.0, 100) is None
        line.waiting = 0
    assert 150 < lost < 250
