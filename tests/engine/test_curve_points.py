"""The points of a curve: where they are says how far all sizes have moved, and nothing else does."""

import pytest

from xapp.engine.curve_points import WARM, CurvePoints

SIZES = [1, 4, 16]


def settled() -> tuple[CurvePoints, list[float]]:
    """Points that have been measured often enough to move by small steps only."""
    seconds = [0.02, 0.07, 0.19]
    points = CurvePoints(list(SIZES), seconds)
    for _ in range(10 * WARM):
        for size in SIZES:
            points.move(size, 0.0)
    return points, seconds


def test_to_and_fro_leaves_everything_where_it_was() -> None:
    points, seconds = settled()
    before = list(seconds)
    for _ in range(1000):
        points.move(4, 0.5)
        points.move(4, -0.5)
    assert seconds == pytest.approx(before)
    assert points.common == pytest.approx(0.0, abs=1e-9)


def test_what_one_size_takes_longer_all_do_most_of_it() -> None:
    points, seconds = settled()
    for _ in range(10):
        points.move(4, 0.5)
    moved = seconds[1] / 0.07
    assert moved > 1
    assert points.common > 0
    assert (seconds[0], seconds[2]) == pytest.approx((0.02, 0.19))


def test_the_first_steps_move_a_point_more() -> None:
    new, seconds = CurvePoints(list(SIZES), [0.02, 0.07, 0.19]), [0.0]
    old, seconds = settled()
    before = seconds[1]
    old.move(4, 0.5)
    new.move(4, 0.5)
    assert new.common > old.common
    assert seconds[1] > before
