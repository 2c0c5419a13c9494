"""A deterministic request is computed in isolation: its steps depend on no other request."""

import pytest

from tests.engine.harness import Answer, Harness
from tests.engine.test_engine import STEMS
from xapp.domain.messages import FinishReason, Priority
from xapp.steps.pace import ISOLATED_CHUNK

BATCH, INTERACTIVE, CRITICAL = Priority.BATCH, Priority.INTERACTIVE, Priority.CRITICAL
PROMPT = STEMS[0][:50]


def submit(harness: Harness, tokens: int = 12, **fields: object) -> Answer:
    return harness.submit(PROMPT, tokens, deterministic=True, ignore_eos=True, **fields)


def steps(harness: Harness) -> list[tuple[int, int]]:
    """Where each of the steps that were computed in isolation begins, and how many tokens it has."""
    return [(plan.batch.positions[0], len(plan.batch)) for plan in harness.plans if plan.batch.isolated]


def alone() -> list[tuple[int, int]]:
    harness = Harness()
    submit(harness)
    harness.drain()
    return steps(harness)


def test_its_prompt_has_chunks_of_one_size_and_each_token_a_step() -> None:
    chunks = [(0, ISOLATED_CHUNK), (16, ISOLATED_CHUNK), (32, ISOLATED_CHUNK), (48, 2)]
    assert alone() == [*chunks, *((position, 1) for position in range(50, 61))]


@pytest.mark.parametrize("priority", Priority)
def test_in_company_its_steps_are_the_same(priority: Priority) -> None:
    harness = Harness()
    harness.submit(PROMPT, 30, ignore_eos=True)
    harness.step()
    submit(harness)
    for stem in range(3):
        harness.step()
        harness.submit(STEMS[stem][: 20 * stem + 10], 20, ignore_eos=True, priority=priority)
    harness.drain()
    assert steps(harness) == alone()


def test_it_takes_turns_with_the_others() -> None:
    harness = Harness()
    other = harness.submit(STEMS[1], 40, ignore_eos=True)
    while not other.tokens:
        harness.step()
    submit(harness)
    begun = len(harness.plans)
    for _ in range(20):
        harness.step()
    assert [plan.batch.isolated for plan in harness.plans[begun:]] == [True, False] * 10


def test_it_shares_no_prefix_with_anybody() -> None:
    harness = Harness()
    answers = []
    for deterministic in (False, True, True):
        answers.append(harness.submit(PROMPT, 4, deterministic=deterministic))
        harness.drain()
    assert [each.started.num_cached_tokens for each in answers if each.started] == [0, 0, 0]


def test_two_are_computed_one_after_the_other_and_those_behind_do_not_wait() -> None:
    harness = Harness(slots=4)
    first, second = submit(harness), submit(harness)
    harness.step()
    for _ in range(20):
        submit(harness, tokens=1)
    third = harness.submit(STEMS[1][:20], 3)
    harness.step()
    assert first.started is not None
    assert second.started is None
    assert third.started is not None
    harness.drain()
    assert first.tokens == second.tokens


def test_a_higher_class_takes_its_slot_and_it_goes_on_where_it_was() -> None:
    harness = Harness(slots=1)
    low = submit(harness, priority=BATCH)
    while len(low.tokens) < 3:
        harness.step()
    harness.submit(STEMS[1][:20], 3, priority=CRITICAL)
    harness.drain()
    assert steps(harness) == alone()


def test_a_higher_class_takes_its_cache_and_it_computes_the_same_steps_again() -> None:
    harness = Harness(slots=4)
    low = submit(harness, priority=BATCH)
    while len(low.tokens) < 3:
        harness.step()
    done = len(steps(harness))
    high = submit(harness, priority=INTERACTIVE)
    harness.step()
    assert high.started is not None
    harness.drain()
    assert steps(harness) == [*alone()[:done], *alone(), *alone()]
    assert low.tokens == high.tokens


def test_it_needs_no_cells_of_the_others() -> None:
    harness = Harness(slots=2, cells=128)
    harness.submit(STEMS[1][:60], 60, ignore_eos=True)
    harness.step()
    answer = submit(harness, tokens=60)
    harness.step()
    assert answer.started is not None
    harness.drain()


def test_without_memory_it_ends_and_says_so() -> None:
    harness = Harness()
    harness.backend.isolated_fits = False
    other = harness.submit(STEMS[1][:20], 5, ignore_eos=True)
    answer = submit(harness)
    harness.drain()
    assert (answer.reason, answer.tokens) == (FinishReason.NO_MEMORY, [])
    assert other.reason is FinishReason.LENGTH


@pytest.mark.parametrize("num_steps", range(8))
def test_cancelled_at_any_time_its_cache_is_free(num_steps: int) -> None:
    harness = Harness()
    answer = submit(harness)
    for _ in range(num_steps):
        harness.step()
    harness.cancel(answer)
    assert harness.backend.isolated is None
    submit(harness)
    harness.drain()
