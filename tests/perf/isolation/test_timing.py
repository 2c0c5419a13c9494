"""The figures of the attack by time."""

import pytest

from perf.isolation.timing import Guesses


@pytest.mark.parametrize(
    ("asked", "not_asked", "found"),
    [([1.0, 2.0], [3.0, 4.0], 1.0), ([1.0], [1.0], 0.5), ([2.0], [1.0], 0.0), ([1.0, 3.0], [2.0, 2.0], 0.5)],
)
def test_the_area_under_the_curve(asked: list[float], not_asked: list[float], found: float) -> None:
    guesses = Guesses(asked, not_asked)
    low, high = guesses.interval
    assert guesses.auc == found
    assert 0 <= low <= found <= high <= 1


def test_more_trials_narrow_the_interval() -> None:
    widths = []
    for count in (10, 100, 1000):
        low, high = Guesses([1.0, 2.0] * count, [2.0, 1.0] * count).interval
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.05
