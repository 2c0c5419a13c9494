"""Short answers go first, nobody starves, and an order that does not pay is given up."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.admission.turn import MEMORY, MIN_PAIRS, PATIENCE, Turns, rank_correlation

SECONDS = st.floats(0, 1e4, allow_nan=False)
REQUEST = st.tuples(SECONDS, SECONDS, SECONDS)
"""Arrival, time to the deadline, time of the answer."""


def turn(turns: Turns, request: tuple[float, float, float]) -> float:
    arrival, within, answer_s = request
    found = turns.turn(arrival, arrival + within, answer_s)
    assert found is not None
    return found


@given(REQUEST, REQUEST)
def test_a_request_is_passed_for_a_bounded_time_only(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> None:
    turns = Turns("shortest")
    bound = first[0] + min(first[1], PATIENCE * first[2])
    if second[0] > bound:
        assert turn(turns, first) < turn(turns, second)


@given(REQUEST)
def test_no_turn_comes_before_the_arrival_or_after_the_deadline(request: tuple[float, float, float]) -> None:
    assert request[0] <= turn(Turns("shortest"), request) <= request[0] + request[1]


def test_of_two_that_come_together_the_shorter_goes_first() -> None:
    turns = Turns("shortest")
    assert turn(turns, (0.0, 600.0, 1.0)) < turn(turns, (0.0, 600.0, 2.0))


def test_an_urgent_long_answer_keeps_its_deadline() -> None:
    assert turn(Turns("shortest"), (0.0, 2.0, 100.0)) == 2.0


def test_arrival_is_the_order_by_default_until_predictions_pay() -> None:
    assert Turns().turn(0.0, 600.0, 1.0) is None
    assert Turns("arrival").turn(0.0, 600.0, 1.0) is None


def test_auto_follows_what_the_predictions_are_worth() -> None:
    turns, draw = Turns("auto"), random.Random(0)
    for number in range(MIN_PAIRS):
        turns.learn(10 * (number % 3 + 1), 10 * (number % 3 + 1) + draw.randint(-3, 3))
    assert turns.shortest_first
    assert turns.agreement > 0.5
    for _ in range(2 * MEMORY):
        turns.learn(draw.randint(1, 100), draw.randint(1, 100))
    assert not turns.shortest_first


def test_predictions_that_are_all_alike_are_worth_nothing() -> None:
    turns = Turns("auto")
    for number in range(MEMORY):
        turns.learn(128, number)
    assert turns.agreement == 0
    assert not turns.shortest_first


@pytest.mark.parametrize("order", ["arrival", "shortest"])
def test_a_fixed_order_stays(order: str) -> None:
    turns = Turns(order)  # type: ignore[arg-type]
    for number in range(MEMORY):
        turns.learn(number, -number)
    assert turns.shortest_first is (order == "shortest")


def test_rank_correlation() -> None:
    assert rank_correlation([(1, 10), (2, 20), (3, 30)]) == 1
    assert rank_correlation([(1, 30), (2, 20), (3, 10)]) == -1
    assert rank_correlation([(1, 10), (2, 30), (3, 20)]) == pytest.approx(1 / 3)
    assert rank_correlation([(1, 1), (1, 2), (2, 3)]) == pytest.approx(2 / (2 * 3) ** 0.5)
    assert rank_correlation([(1, 1)]) == 0
