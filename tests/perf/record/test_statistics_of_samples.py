import random
from collections.abc import Callable
from functools import partial

import pytest

from perf.record import statistics_of_samples
from perf.record.statistics_of_samples import Interval


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (4, 2.776), (10, 2.228), (11, 2.201), (30, 2.042), (1e6, 1.960)]
)
def test_t_quantile_is_the_tables(degrees: float, quantile: float) -> None:
    assert statistics_of_samples.t_quantile(degrees) == pytest.approx(quantile, abs=1e-3)


def test_t_interval() -> None:
    found = statistics_of_samples.t_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.value, found.num_samples) == (3.0, 5)
    assert found.low == pytest.approx(1.0368, abs=1e-3)
    assert found.high == pytest.approx(4.9632, abs=1e-3)


@pytest.mark.parametrize(
    "interval", [statistics_of_samples.t_interval, statistics_of_samples.bootstrap_interval]
)
def test_one_sample_says_nothing_of_spread(interval: Callable[[list[float]], Interval]) -> None:
    assert interval([2.0]) == Interval(2.0, None, None, 1)
    with pytest.raises(ValueError, match=r"at least one|empty data"):
        interval([])


def covered(interval: Callable[[list[float]], Interval], truth: float) -> float:
    """How often an interval of 20 samples has the truth in it."""
    draw = random.Random(5)
    found = [interval([draw.gauss(truth, 1.0) for _ in range(20)]) for _ in range(200)]
    return (
        sum(
            each.low <= truth <= each.high for each in found if each.low is not None and each.high is not None
        )
        / 200
    )


def test_intervals_have_the_truth_in_them_as_often_as_they_say() -> None:
    assert 0.9 <= covered(statistics_of_samples.t_interval, 3.0) <= 0.99
    assert (
        0.85
        <= covered(
            partial(statistics_of_samples.bootstrap_interval, statistic=statistics_of_samples.mean), 3.0
        )
        <= 0.99
    )


def test_bootstrap_is_the_same_each_time() -> None:
    samples = [1.0, 5.0, 2.0, 9.0, 4.0]
    assert statistics_of_samples.bootstrap_interval(samples) == statistics_of_samples.bootstrap_interval(
        samples
    )
    found = statistics_of_samples.bootstrap_interval(samples)
    assert found.value == 4.0
    assert found.low is not None
    assert found.high is not None
    assert 1.0 <= found.low < 4.0 < found.high <= 9.0


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)],
)
def test_wilson(successes: int, total: int, low: float, high: float) -> None:
    found = statistics_of_samples.wilson_interval(successes, total)
    assert found.value == successes / total
    assert found.low == pytest.approx(low, abs=1e-3)
    assert found.high == pytest.approx(high, abs=1e-3)


@pytest.mark.parametrize(("successes", "total"), [(1, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_what_is_no_share(successes: int, total: int) -> None:
    with pytest.raises(ValueError, match="of"):
        statistics_of_samples.wilson_interval(successes, total)


def test_a_ratio_of_pairs_is_free_of_what_both_share() -> None:
    below = [10.0, 20.0, 40.0]
    found = statistics_of_samples.ratio_of_pairs([2 * each for each in below], below)
    assert found.value == pytest.approx(2.0)
    assert found.low == pytest.approx(2.0)
    assert found.high == pytest.approx(2.0)
    inverse = statistics_of_samples.ratio_of_pairs([1.0, 3.0], [2.0, 2.0])
    assert inverse.low is not None
    assert inverse.high is not None
    assert inverse.low < inverse.value < inverse.high


@pytest.mark.parametrize(("above", "below"), [([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([], [])])
def test_a_ratio_of_nothing_is_refused(above: list[float], below: list[float]) -> None:
    with pytest.raises(ValueError, match=r"pairs|positive|at least one"):
        statistics_of_samples.ratio_of_pairs(above, below)


def test_welch() -> None:
    before, after = [10.0, 11.0, 12.0], [20.0, 24.0, 28.0, 32.0]
    found = statistics_of_samples.welch_interval(before, after)
    assert found.value == pytest.approx(15.0)
    # s² / n: 1/3 and 6.667; 3.29 degrees of freedom, rounded down to 3.
    assert found.low == pytest.approx(15 - 3.1824 * 7**0.5, abs=1e-2)
    assert statistics_of_samples.welch_interval([1.0, 1.0], [2.0, 2.0]).low == 1.0
    with pytest.raises(ValueError, match="two samples"):
        statistics_of_samples.welch_interval([1.0], after)


def test_coefficient_of_variation() -> None:
    assert statistics_of_samples.coefficient_of_variation([1.0, 3.0]) == pytest.approx(2**0.5 / 2)
    assert statistics_of_samples.coefficient_of_variation([1.0]) is None
    assert statistics_of_samples.coefficient_of_variation([-1.0, 1.0]) is None
