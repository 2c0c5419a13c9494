"""Who goes first, and how much of a prompt fits a step."""

import pytest

from tests.engine.harness import Answer, Harness
from xapp.domain.messages import Priority
from xapp.steps.pace import MIN_CHUNK


def order_of_start(harness: Harness, answers: list[Answer]) -> list[int]:
    harness.drain()
    ranked = sorted(answers, key=lambda a: (a.started.at if a.started else 0, a.request.request_id))
    return [answers.index(answer) for answer in ranked]


def test_a_higher_class_is_admitted_first() -> None:
    harness = Harness(slots=1)
    classes = [Priority.BATCH, Priority.INTERACTIVE, Priority.CRITICAL]
    answers = [harness.submit([n] * 9, priority=priority) for n, priority in enumerate(classes)]
    assert order_of_start(harness, answers) == [2, 1, 0]


def test_a_higher_class_is_prefilled_first() -> None:
    harness = Harness(slots=3, max_batch=10)
    harness.submit([1] * 50, priority=Priority.BATCH)
    harness.step()
    critical = harness.submit([2] * 10, priority=Priority.CRITICAL)
    harness.step()
    assert critical.tokens


def test_short_prompts_pass_long_ones_that_came_with_them() -> None:
    harness = Harness(slots=1)
    answers = [harness.submit([n] * length) for n, length in enumerate([100, 10, 50])]
    assert order_of_start(harness, answers) == [1, 2, 0]


def test_a_turn_goes_before_the_deadline_and_behind_the_class() -> None:
    harness = Harness(slots=1)
    now = harness.clock.now
    wanted = [(1, None, 50.0), (1, 30.0, 100.0), (1, 40.0, 60.0), (2, 1.0, 2.0)]
    answers = [
        harness.submit(
            [n] * 9,
            priority=Priority(priority),
            turn=None if turn is None else now + turn,
            deadline=now + within,
        )
        for n, (priority, turn, within) in enumerate(wanted)
    ]
    assert order_of_start(harness, answers) == [1, 2, 0, 3]


def test_nobody_is_passed_for_ever() -> None:
    harness = Harness(slots=1, cells=2048)
    long = harness.submit(list(range(200)))
    for _ in range(500):
        harness.submit([1], max_tokens=1)
        harness.step()
        if long.started:
            break
    assert long.started is not None
    harness.drain()


def test_a_large_request_is_not_passed_by_small_ones_while_it_waits_for_cells() -> None:
    harness = Harness(slots=4, cells=100)
    first = harness.submit([1] * 50, 30, ignore_eos=True)
    harness.step()
    large = harness.submit([2] * 60, 10, arrival=harness.clock.now - 100)
    small = harness.submit([3] * 5, 2)
    while large.started is None:
        harness.step()
        assert small.started is None or large.started is not None
    assert first.finished is not None
    harness.drain()


def test_one_that_waits_for_its_prefix_lets_others_pass() -> None:
    harness = Harness(slots=4, max_batch=10)
    text = list(range(100))
    harness.submit(text)
    harness.step()
    same, other = harness.submit(text), harness.submit([*[7] * 12, *text])
    harness.step()
    assert same.started is None
    assert other.started is not None
    harness.drain()
    assert same.finished is not None
    assert same.finished.num_cached_tokens == 99


def test_decoding_sequences_are_in_every_step_and_prompts_fill_the_budget() -> None:
    harness = Harness(slots=4, max_batch=512, cells=2048, budget_ms=100)
    running = [harness.submit([n] * 10, 200, ignore_eos=True) for n in range(3)]
    while not all(answer.tokens for answer in running):
        harness.step()
    for _ in range(20):
        harness.step()
    late = harness.submit(list(range(400)), 1)
    gaps = []
    while not late.finished:
        began, lengths = harness.clock.now, [len(answer.tokens) for answer in running]
        harness.step()
        gaps.append(harness.clock.now - began)
        assert [len(answer.tokens) for answer in running] == [length + 1 for length in lengths]
    # The fake's steps are exactly as long as the model can learn: it must end up close to the budget.
    assert max(gaps) <= 0.1 * 1.1
    assert gaps[-3] >= 0.1 * 0.8


@pytest.mark.parametrize("budget_ms", [1.0, 5.0])
def test_a_budget_too_small_for_anything_still_gets_on(budget_ms: float) -> None:
    harness = Harness(slots=2, budget_ms=budget_ms)
    harness.submit([1], 60, ignore_eos=True)
    harness.step()
    late = harness.submit(list(range(40)), 1)
    for _ in range(10):
        harness.step()
    assert late.tokens or late.reason is not None
    assert max(plan.num_prefill for plan in harness.plans[1:] if plan.num_decode) == MIN_CHUNK


def test_as_many_slots_as_tokens_in_a_batch_still_gets_on() -> None:
    harness = Harness(slots=4, max_batch=4)
    for n in range(8):
        harness.submit([n] * 30, 5)
    harness.drain()


# ---- prefixes to be pinned


def pinning(harness: Harness, tokens: int = 300) -> Answer:
    return harness.submit([7] * tokens, 1, priority=Priority.BATCH, pin=True)


def test_a_prefix_to_be_pinned_hardly_slows_those_who_decode() -> None:
    """10 ms a step and 3 a token: one step in a second has a chunk of it, all others are short."""
    harness = Harness(slots=4, cells=2048, max_batch=512)
    answer = harness.submit([1] * 10, 60, ignore_eos=True)
    harness.step()
    pin = pinning(harness)
    began = harness.clock.now
    while not answer.finished:
        harness.step()
    assert harness.clock.now - began < 60 * 0.013 + 2 * 0.1
    assert pin.finished is None
    harness.drain()
    assert pin.finished is not None


def test_a_prefix_to_be_pinned_never_competes_with_a_caller() -> None:
    harness = Harness(slots=4, cells=2048, max_batch=512)
    endless = harness.submit([1] * 10, 1000, ignore_eos=True)
    harness.step()
    pin = pinning(harness, 100)
    for _ in range(50):
        harness.step()
    assert all(plan.num_prefill == 0 for plan in harness.plans[1:])
    harness.cancel(endless)
    harness.drain()
    assert pin.finished is not None


def test_somebody_who_waits_for_a_prefix_to_be_pinned_waits_no_longer_than_for_another() -> None:
    harness = Harness(slots=4, cells=2048, max_batch=512)
    endless = harness.submit([1] * 10, 1000, ignore_eos=True)
    harness.step()
    pinning(harness)
    harness.step()
    asking = harness.submit([7] * 300 + [8] * 5, 1)
    began = harness.clock.now
    while not asking.finished:
        harness.step()
    assert harness.clock.now - began < 305 * 0.003 * 2
    harness.cancel(endless)
    harness.drain()
