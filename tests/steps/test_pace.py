"""How many prompt tokens go into a step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.messages import StepCurve
from xapp.steps.pace import (
    _SIZES,
    CRUMB,
    GAP_S,
    GAP_STEPS,
    LONGEST_ALONE_S,
    LONGEST_S,
    MIN_CHUNK,
    MOST_ALONE,
    SHORT_S,
    TILE,
    Beside,
    Pace,
)
from xapp.steps.step_cost import StepCost, straight_curve

# A 1.5B model on 2 cores: 16 tokens take less than 12, and 64 less a token than 48.
LARGE = StepCost(
    StepCurve(
        (1, 2, 4, 8, 12, 16, 20, 24, 32, 48, 64, 96, 112),
        (0.024, 0.045, 0.078, 0.159, 0.203, 0.188, 0.253, 0.303, 0.319, 0.463, 0.605, 0.914, 1.045),
        (1, 2, 3, 4, 8),
        (0.033, 0.057, 0.074, 0.09, 0.217),
    )
)
AUTO = Pace(None, 0.5, 512)


def test_alone_a_prompt_gets_the_largest_chunk_that_is_as_fast_as_any() -> None:
    chunk = AUTO.chunk(LARGE, Beside(0))
    assert chunk / LARGE.predict(0, chunk) >= 0.98 * 96 / LARGE.predict(0, 96)
    assert chunk == MOST_ALONE


@pytest.mark.parametrize("left", [100, MOST_ALONE, MOST_ALONE + CRUMB])
def test_a_prompt_that_fits_a_step_is_not_cut_and_the_step_ends_with_it(left: int) -> None:
    assert AUTO.chunk(LARGE, Beside(0, left=left)) == left


@given(st.integers(MOST_ALONE + CRUMB + 1, 3000))
def test_a_long_prompt_is_cut_into_steps_of_about_the_same_size(length: int) -> None:
    left, chunks = length, list[int]()
    while left:
        chunks.append(min(left, AUTO.chunk(LARGE, Beside(0, left=left))))
        left -= chunks[-1]
    assert max(chunks) <= MOST_ALONE + CRUMB
    assert chunks[-1] >= min(chunks[0] - len(chunks) * TILE, MOST_ALONE // 2)


def test_a_short_prompt_shares_its_step_with_the_next() -> None:
    assert AUTO.chunk(LARGE, Beside(0, left=10)) >= 3 * 10


def test_a_prompt_that_was_interrupted_gets_on_in_a_short_step() -> None:
    assert LARGE.predict(0, AUTO.chunk(LARGE, Beside(0, interrupted=True))) <= SHORT_S


def test_a_prompt_whose_deadline_is_near_gets_all_of_the_speed_that_a_bound_leaves() -> None:
    relaxed, hurried = (AUTO.chunk(LARGE, Beside(3, left=200, time_left_s=seconds)) for seconds in (60, 3))
    assert relaxed < hurried
    assert hurried / LARGE.predict(3, hurried) >= 0.9 * 96 / LARGE.predict(0, 96)
    assert LARGE.predict(3, hurried) <= LONGEST_S


@pytest.mark.parametrize("num_decode", [1, 2, 3])
def test_a_step_is_as_large_as_a_kernel_likes(num_decode: int) -> None:
    assert num_decode + AUTO.chunk(LARGE, Beside(num_decode)) in {16, 24, 32}


def test_beside_three_that_decode_one_prompt_keeps_the_gap_below_three_decode_steps() -> None:
    chunk = AUTO.chunk(LARGE, Beside(3))
    assert LARGE.predict(3, chunk) <= 3 * LARGE.predict(3, 0)


@pytest.mark.parametrize("num_decode", [1, 4, 7])
def test_prompts_get_full_speed_while_several_callers_wait(num_decode: int) -> None:
    one, several = (AUTO.chunk(LARGE, Beside(num_decode, num_waiting=waiting)) for waiting in (1, 2))
    assert one < several
    fastest = max(
        size / LARGE.predict(num_decode, size)
        for size in range(4, 513)
        if LARGE.predict(num_decode, size) <= LONGEST_S
    )
    assert several / LARGE.predict(num_decode, several) >= 0.9 * fastest


def test_a_prompt_that_stood_behind_others_for_longer_than_it_takes_gets_full_speed() -> None:
    takes_s = 200 / (96 / LARGE.predict(0, 96))
    soon, late = (AUTO.chunk(LARGE, Beside(3, left=200, waited_s=takes_s * part)) for part in (0.5, 2))
    assert soon == AUTO.chunk(LARGE, Beside(3, left=200))
    assert late == AUTO.chunk(LARGE, Beside(3, left=200, num_waiting=2))


def test_beside_answers_too_a_step_ends_with_the_first_prompt_that_fills_it() -> None:
    assert AUTO.chunk(LARGE, Beside(1, num_waiting=3, left=40)) == 40


@given(st.integers(1, 8), st.floats(0.001, 2), st.integers(1, 64))
def test_a_fixed_bound_is_kept(num_decode: int, budget_s: float, num_waiting: int) -> None:
    chunk = Pace(budget_s, 0.5, 512).chunk(LARGE, Beside(num_decode, num_waiting=num_waiting))
    assert chunk == MIN_CHUNK or LARGE.predict(num_decode, chunk) <= budget_s


@given(st.integers(1, 8), st.floats(0.05, 1), st.integers(1, 64))
def test_the_bound_that_a_request_asks_for_is_kept(num_decode: int, gap_s: float, num_waiting: int) -> None:
    chunk = AUTO.chunk(LARGE, Beside(num_decode, num_waiting=num_waiting, max_gap_s=gap_s))
    assert chunk == MIN_CHUNK or LARGE.predict(num_decode, chunk) <= gap_s


@given(st.floats(1e-5, 0.5), st.floats(0, 0.5), st.integers(0, 16), st.integers(1, 64), st.floats(0, 4000))
def test_no_step_is_longer_than_it_may_be(
    token_s: float, step_s: float, num_decode: int, num_waiting: int, position: float
) -> None:
    cost = StepCost(straight_curve(token_s, step_s))
    chunk = AUTO.chunk(cost, Beside(num_decode, position=position, num_waiting=num_waiting))
    longest = max(
        LONGEST_S if num_decode else LONGEST_ALONE_S, GAP_S, GAP_STEPS * cost.predict(num_decode, 0)
    )
    assert MIN_CHUNK <= chunk <= 512
    assert chunk == MIN_CHUNK or cost.predict(num_decode, chunk) <= longest * (1 + 1e-9)


@pytest.mark.parametrize(("apart_from", "beside"), [(None, 3), (64, 0)])
def test_a_batch_has_a_measured_size(apart_from: int | None, beside: int) -> None:
    cost = StepCost(straight_curve(0.003, 0.02), apart_from=apart_from)
    assert beside + AUTO.chunk(cost, Beside(3, num_waiting=2)) in _SIZES


@pytest.mark.parametrize("apart_from", [None, 64])
def test_beside_answers_no_crumb_of_a_prompt_is_left(apart_from: int | None) -> None:
    cost = StepCost(LARGE.curve, apart_from=apart_from)
    most = AUTO.chunk(cost, Beside(2, num_waiting=2))
    for extra in (1, 4):
        left, chunks = 2 * most + extra, list[int]()
        while left > 0:
            chunks.append(AUTO.chunk(cost, Beside(2, num_waiting=2, left=left)))
            left -= chunks[-1]
        assert len(chunks) == 2
        assert max(chunks) <= most + CRUMB
        assert all(cost.predict(2, each) <= LONGEST_S for each in chunks)
