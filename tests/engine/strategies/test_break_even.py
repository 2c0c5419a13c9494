"""How many drafts pay."""

import pytest

from xapp.backend.base import Batch
from xapp.domain.messages import StepCurve, StepPrices
from xapp.engine.strategies.break_even import BreakEven
from xapp.steps.step_cost import StepCost, straight_curve

MEMORY_BOUND = straight_curve(token_s=0.001, step_s=0.1)
COMPUTE_BOUND = straight_curve(token_s=0.1)
MIXED = straight_curve(token_s=0.05, step_s=0.05)


Learned = tuple[int, int]
"""So many right guesses, of so many tested."""


def choose(
    curve: StepCurve, *learned: Learned, width: int = 1, drafts: int = 0, kind: int = 3, most: int = 8
) -> int:
    length = BreakEven(StepCost(curve))
    for num_right, num_tested in learned:
        length.learn(num_right, [3] * num_tested)
    return length.choose(Batch(num_decode=width, drafts=set(range(drafts))), 0, [kind] * most)


def test_where_rows_cost_nothing_all_guesses_that_may_be_right_are_computed() -> None:
    assert choose(MEMORY_BOUND) == 8
    assert choose(MEMORY_BOUND, *[(8, 8)] * 5) == 8


def test_where_a_row_costs_as_much_as_a_step_no_guess_pays_however_right() -> None:
    assert choose(COMPUTE_BOUND, *[(8, 8)] * 20) == 0


def test_wrong_guesses_switch_drafts_off_and_right_ones_on_again() -> None:
    wrong = [(0, 1)] * 20
    assert choose(MIXED, *wrong) == 0
    assert choose(MIXED, *wrong, *[(1, 1)] * 10) > 0


def test_each_kind_of_guess_has_a_rate_of_its_own() -> None:
    wrong = [(0, 1)] * 20
    assert choose(MIXED, *wrong, kind=3) == 0
    assert choose(MIXED, *wrong, kind=4) > 0


def test_a_wide_step_leaves_less_to_gain() -> None:
    """Rows are dear from 4 on: beside 3 others no guess pays that pays alone."""
    curve = StepCurve((1, 2), (0.1, 0.2), (1, 4, 8, 16), (0.1, 0.12, 0.24, 0.48))
    learned = [(2, 3)] * 5
    assert choose(curve, *learned) > 0
    assert choose(curve, *learned, width=4) == 0
    assert choose(curve, *learned, drafts=4) == 0


def test_a_long_context_makes_each_row_dearer() -> None:
    cost = StepCost(MIXED, StepPrices(1.0, 0.0001))
    assert BreakEven(cost).choose(Batch(num_decode=1), 0, [5] * 8) > 0
    assert BreakEven(cost).choose(Batch(num_decode=1), 10_000, [5] * 8) == 0


@pytest.mark.parametrize("most", [1, 2, 5])
def test_there_are_never_more_than_were_guessed(most: int) -> None:
    assert choose(MEMORY_BOUND, most=most) == most
