"""What a step costs, read off a measured curve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.messages import StepCurve, StepPrices
from xapp.steps.step_cost import StepCost, between, straight_curve

POOR_AT_8 = StepCurve(
    (1, 4, 8, 16), (0.024, 0.078, 0.159, 0.188), (1, 2, 3, 4, 7, 8), (0.033, 0.057, 0.074, 0.09, 0.153, 0.217)
)


def test_between_two_points_it_is_a_straight_line_and_beyond_it_goes_on() -> None:
    points, seconds = [1, 4, 8], [1.0, 2.0, 4.0]
    found = [between(points, seconds, number) for number in (0, 1, 2, 6, 8, 10)]
    assert found == pytest.approx([0, 1, 1 + 1 / 3, 3, 4, 5])


def test_a_step_costs_its_tokens_and_the_outputs_of_those_who_decode() -> None:
    cost = StepCost(POOR_AT_8)
    assert cost.predict(0, 16) == pytest.approx(0.188)
    assert cost.predict(4, 12) == pytest.approx(0.188 + 0.09 - 0.078)
    assert StepCost(POOR_AT_8, StepPrices(2.0, 0.001)).predict(0, 16, 10) == pytest.approx(0.386)


def test_sequences_are_computed_in_two_halves_where_a_kernel_is_poor_at_all_of_them() -> None:
    cost = StepCost(POOR_AT_8)
    assert cost.split(8) == [4, 4]
    assert cost.split(4) == [4]
    assert cost.predict(8, 0) == pytest.approx(0.18)


def test_sequences_are_computed_at_once_where_each_step_has_a_price() -> None:
    assert StepCost(straight_curve(0.003, 0.01)).split(8) == [8]


@given(st.lists(st.floats(0.001, 1.0), min_size=8, max_size=8), st.integers(1, 8))
def test_a_split_has_every_sequence_once_and_is_no_slower(seconds: list[float], num_decode: int) -> None:
    widths = tuple(range(1, 9))
    cost = StepCost(StepCurve((1,), (0.001,), widths, tuple(seconds)))
    split = cost.split(num_decode)
    assert sum(split) == num_decode
    assert sum(seconds[width - 1] for width in split) <= seconds[num_decode - 1]


def test_answers_and_prompts_that_are_computed_apart_cost_their_sum() -> None:
    cost = StepCost(POOR_AT_8, apart_from=16)
    assert cost.predict(8, 8) == pytest.approx(0.159 + 0.18)
    assert cost.predict(7, 8) == StepCost(POOR_AT_8).predict(7, 8)
    assert not cost.is_apart(0, 16)
    assert not cost.is_apart(16, 0)
