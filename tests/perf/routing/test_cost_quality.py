"""APGR, CPT and error rate, on curves that are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.routing.cost_quality import UNDEFINED, apgr, cpt, curve, error_rate, share_sent

GAINS = [1, 1, 0, 0]


def test_a_perfect_order_sends_the_gains_first() -> None:
    assert curve([4, 3, 2, 1], GAINS) == [0, 1, 2, 2, 2]
    assert apgr([4, 3, 2, 1], GAINS) == pytest.approx((0.25 + 0.75 + 1 + 1) / 4)
    assert (cpt([4, 3, 2, 1], GAINS, 0.5), cpt([4, 3, 2, 1], GAINS, 0.8)) == (0.25, 0.5)


def test_the_worst_order_sends_them_last() -> None:
    assert apgr([1, 2, 3, 4], GAINS) == pytest.approx(0.25)
    assert cpt([1, 2, 3, 4], GAINS, 0.5) == 0.75


def test_equal_values_are_a_random_order() -> None:
    assert apgr([1, 1, 1, 1], GAINS) == pytest.approx(0.5)
    assert cpt([1, 1, 1, 1], GAINS, 0.5) == 0.5


def test_without_a_gain_there_is_no_curve() -> None:
    assert apgr([1, 2], [0, 0]) == UNDEFINED
    assert apgr([1, 2], [-1, 0]) == UNDEFINED
    assert cpt([1, 2], [0, 0], 0.5) == 1.0


def test_errors_are_what_is_sent_in_vain_and_what_is_kept_wrongly() -> None:
    values, is_right = [0.9, 0.9, 0.1, 0.1], [True, False, True, False]
    assert error_rate(values, is_right, 0.5) == 0.5
    assert share_sent(values, 0.5) == 0.5
    assert error_rate([0.9, 0.1], [False, True], 0.5) == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([-1, 0, 1])), min_size=1, max_size=30))
def test_every_curve_ends_with_all_gains(pairs: list[tuple[float, int]]) -> None:
    values, gains = [value for value, _ in pairs], [gain for _, gain in pairs]
    sums = curve(values, gains)
    assert len(sums) == len(pairs) + 1
    assert sums[-1] == pytest.approx(sum(gains))
    reverse = curve([-value for value in values], gains)
    if sums[-1] > 0:
        mean = (sum(sums) + sum(reverse)) / 2 - sums[-1] / 2
        assert mean / len(gains) / sums[-1] == pytest.approx(
            (apgr(values, gains) + apgr([-v for v in values], gains)) / 2
        )
