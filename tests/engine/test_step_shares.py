"""The parts of the steps' time that requests have: the basis of their energy."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.harness import Harness
from tests.scale import examples


@settings(max_examples=examples(30))
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20)), min_size=1, max_size=8))
def test_the_parts_of_all_requests_add_up_to_the_time_of_all_steps(asked: list[tuple[int, int]]) -> None:
    harness = Harness(cells=2048, prefix_cache=False)
    answers = [
        harness.submit([number] * prompt, tokens, ignore_eos=True)
        for number, (prompt, tokens) in enumerate(asked)
    ]
    harness.drain()
    ends = [answer.finished for answer in answers if answer.finished]
    whole = harness.engine.stats().total_step_seconds
    assert sum(end.steps_s for end in ends) == pytest.approx(whole)
    assert all(0 < end.steps_s <= end.all_steps_s * (1 + 1e-9) for end in ends)
    assert all(end.all_steps_s <= whole * (1 + 1e-9) for end in ends)


def test_a_request_alone_has_every_step() -> None:
    harness = Harness()
    answer = harness.submit([1] * 40, 10, ignore_eos=True)
    harness.drain()
    assert answer.finished is not None
    assert answer.finished.steps_s == pytest.approx(answer.finished.all_steps_s)


def test_a_request_that_never_started_has_none() -> None:
    harness = Harness(cells=8)
    answer = harness.submit([1] * 40, 10)
    harness.drain()
    assert answer.finished is not None
    assert (answer.finished.steps_s, answer.finished.all_steps_s) == (0.0, 0.0)
