"""Scoring beside everything else: each choice gets its own log-probabilities, whatever runs beside it."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.harness import Answer, Harness, branches_of, expected_scores
from tests.engine.test_engine import STEMS, Cancelled, Steps, Submitted, Tick, perform, prompts
from tests.scale import examples
from xapp.domain.messages import FinishReason, Priority
from xapp.engine.strategies.choices import Choices


@dataclass(frozen=True)
class Scored:
    prompt: list[int]
    choices: list[list[int]]
    priority: Priority
    deadline: float | None


choices = st.lists(st.lists(st.integers(0, 200), min_size=1, max_size=12), min_size=1, max_size=20)
scored = st.builds(
    Scored, prompts, choices, st.sampled_from(Priority), st.one_of(st.none(), st.floats(-0.1, 2))
)
generated = st.builds(
    Submitted, prompts, st.integers(1, 30), st.sampled_from(Priority), st.booleans(), st.none()
)
others = st.one_of(
    st.builds(Cancelled, st.integers(0, 40)),
    st.builds(Steps, st.integers(1, 4)),
    st.builds(Tick, st.floats(0, 1)),
)


@settings(max_examples=examples(100))
@given(
    st.lists(st.one_of(scored, scored, generated, others), min_size=5, max_size=50),
    st.integers(1, 5),
    st.integers(0, 5),
    st.integers(64, 400),
    st.integers(0, 60),
    st.sampled_from([2.0, 30.0, 100.0]),
    st.integers(0, 6),
    st.integers(1, 20),
    st.sampled_from([0, 20, 63]),
    st.booleans(),
)
def test_any_interleaving(
    todo: list[Scored | Submitted | Cancelled | Steps | Tick],
    slots: int,
    spare_ids: int,
    cells: int,
    spare_batch: int,
    budget_ms: float,
    branches: int,
    probes: int,
    steady: int,
    prefix_cache: bool,
) -> None:
    harness = Harness(
        slots=slots,
        num_sequences=slots + spare_ids,
        cells=cells,
        max_batch=slots + spare_batch,
        budget_ms=budget_ms,
        prefix_cache=prefix_cache,
        branches=branches,
        probes=probes,
        steady=steady,
    )
    for operation in todo:
        if isinstance(operation, Scored):
            deadline = None if operation.deadline is None else harness.clock.now + operation.deadline
            harness.score(operation.prompt, operation.choices, priority=operation.priority, deadline=deadline)
        else:
            perform(harness, operation)
    harness.drain()
    assert len(harness.cache.branches._ids) == branches


def computed(harness: Harness) -> int:
    return sum(plan.num_prefill for plan in harness.plans)


def test_choices_of_one_token_cost_the_prompt_and_nothing_more() -> None:
    harness = Harness(max_batch=200, budget_ms=1000)
    answer = harness.score(STEMS[0], [[n] for n in range(50)])
    harness.step()
    assert answer.reason is FinishReason.STOP
    assert computed(harness) == 120
    assert len(harness.plans[0].batch.probes) == 1
    harness.drain()


def test_the_prompt_is_computed_once_and_no_choice_s_last_token() -> None:
    harness = Harness(max_batch=200, budget_ms=1000)
    answer = harness.score(STEMS[0], [[1, 2, 3], [4], [5, 6], [1, 2, 9, 9]])
    harness.drain()
    assert answer.reason is FinishReason.STOP
    assert computed(harness) == 120 + 2 + 0 + 1 + 3
    # The prompt and the first choice; then all others together.
    assert len(harness.plans) == 2


def test_one_choice_is_done_with_the_prompt() -> None:
    harness = Harness(max_batch=200, budget_ms=1000)
    harness.score(STEMS[0], [[1, 2, 3, 4]])
    harness.drain()
    assert len(harness.plans) == 1


def test_many_small_requests_share_a_step() -> None:
    harness = Harness(slots=4, max_batch=200, budget_ms=1000, probes=64)
    for n in range(4):
        harness.score([n, *STEMS[0][:20]], [[n, 1, 2, 3]])
    harness.step()
    assert len(harness.plans[0].batch) == 4 * 24
    assert all(answer.reason is FinishReason.STOP for answer in harness.answers)
    harness.drain()


def test_what_fits_a_steady_step_is_computed_in_one_alone_or_not() -> None:
    harness = Harness(slots=6, max_batch=200, budget_ms=1000, probes=64, steady=63)
    harness.submit(STEMS[2], 3)
    answers = [harness.score([n % 2, *STEMS[0][:20]], [[n, 1, 2, 3]]) for n in range(5)]
    harness.drain()
    sizes: dict[int, list[int]] = {}
    for plan in harness.plans:
        for sequence, count, _, _ in plan.parts:
            if sequence.request.choices:
                sizes.setdefault(sequence.request.request_id, []).append(count)
                assert len(plan.batch) <= 63
    assert sizes == {answer.request.request_id: [24] for answer in answers}


def test_choices_join_the_prompt_in_one_steady_step() -> None:
    harness = Harness(max_batch=200, budget_ms=1000, probes=64, steady=63)
    answer = harness.score(STEMS[0][:20], [[1, 2, 3, 4], [5], [1, 2, 3, 5], [6, 7]])
    harness.step()
    assert len(harness.plans[0].batch) == 20 + 3 + 0 + 3 + 1
    assert answer.scores == expected_scores(answer.request)
    harness.drain()


def test_without_ids_for_all_choices_it_takes_more_steps() -> None:
    harness = Harness(slots=2, max_batch=200, budget_ms=1000, probes=64, steady=63, branches=2)
    harness.score(STEMS[0], [[n] * 40 for n in range(8)])
    while not any(branches_of(each) for each in harness.scheduler.queues.running):
        harness.step()
    answer = harness.score(STEMS[1][:20], [[1, 2], [3, 4]])
    harness.drain()
    assert answer.scores == expected_scores(answer.request)


def test_a_prompt_in_the_cache_still_computes_its_last_token() -> None:
    harness = Harness()
    harness.score(STEMS[0], [[1, 2], [3, 4]])
    harness.drain()
    before = computed(harness)
    again = harness.score(STEMS[0], [[7], [8]])
    harness.drain()
    assert again.started is not None
    assert again.started.num_cached_tokens == 119
    assert computed(harness) - before == 1


def test_a_score_and_an_answer_share_a_prefix_both_ways() -> None:
    harness = Harness()
    harness.submit(STEMS[0], 4)
    harness.drain()
    score = harness.score([*STEMS[0], 7, 7, 7], [[1, 2], [3, 4]])
    harness.drain()
    answer = harness.submit([*STEMS[0], 7, 7, 7, 8], 4)
    harness.drain()
    assert score.started is not None
    assert answer.started is not None
    assert (score.started.num_cached_tokens, answer.started.num_cached_tokens) == (120, 123)


def test_a_choice_s_cells_are_nobody_else_s() -> None:
    harness = Harness(slots=2, branches=0, probes=3)
    answer = harness.score(STEMS[0], [[1] * 20, [2] * 20])
    (sequence,) = harness.engine._sequences.values()
    while sequence.num_computed < 120 + 15:
        harness.step()
    alike = harness.submit([*STEMS[0], *[1] * 20], 4)
    harness.step()
    assert alike.started is not None
    assert alike.started.num_cached_tokens == 120
    harness.drain()
    assert answer.reason is FinishReason.STOP


def test_what_is_left_of_a_score_is_told() -> None:
    harness = Harness(slots=1, probes=3)
    harness.score(STEMS[0], [[1] * 20, [2] * 10, [3]])
    assert harness.engine.stats().num_prefill_left == 0  # it waits
    left = []
    while harness.engine.has_work:
        harness.step()
        left.append(harness.engine.stats().num_prefill_left)
    computed = [plan.num_prefill for plan in harness.plans]
    total = 120 + 19 + 9
    assert left == [total - sum(computed[: step + 1]) for step in range(len(computed))]
    harness.drain()


def test_no_branch_ids_and_few_cells_only_take_longer() -> None:
    harness = Harness(slots=1, cells=130, branches=0, prefix_cache=False)
    answer = harness.score(STEMS[0], [[n] * 11 for n in range(20)])
    harness.drain()
    assert answer.scores == expected_scores(answer.request)


def test_a_model_that_cannot_be_cut_computes_the_prompt_for_each_choice() -> None:
    harness = Harness(prefix_cache=False, shares_prefixes=False)
    answer = harness.score(STEMS[0][:20], [[1, 2, 3], [4, 5], [6]])
    harness.drain()
    assert answer.scores == expected_scores(answer.request)
    assert computed(harness) == 22 + 21


def test_decoding_goes_on_in_every_step() -> None:
    harness = Harness(slots=2, budget_ms=30)
    stream = harness.submit(STEMS[1][:8], 200, ignore_eos=True)
    while not stream.tokens:
        harness.step()
    harness.score(STEMS[0], [[n] * 9 for n in range(30)])
    began = len(stream.tokens)
    for step in range(20):
        harness.step()
        assert len(stream.tokens) == began + step + 1
    harness.drain()


def branching() -> tuple[Harness, Answer]:
    harness = Harness(slots=1, probes=4)
    answer = harness.score(STEMS[0], [[n] * 9 for n in range(30)])
    while not any(branches_of(each) for each in harness.scheduler.queues.running):
        harness.step()
    return harness, answer


def test_a_cancel_gives_everything_back_by_the_next_step() -> None:
    harness, answer = branching()
    waiting = harness.submit(STEMS[1], 2)
    harness.cancel(answer)
    harness.step()
    assert answer.reason is FinishReason.CANCELLED
    assert waiting.started is not None
    assert len(harness.cache.branches._ids) == harness.backend.num_branches
    harness.drain()


def test_a_deadline_ends_it_by_the_next_step() -> None:
    harness = Harness(slots=1, probes=4)
    answer = harness.score(STEMS[0], [[n] * 9 for n in range(30)], deadline=harness.clock.now + 1)
    while not harness.clock.now >= 1001:
        harness.step()
    harness.step()
    assert answer.reason is FinishReason.EXPIRED
    harness.drain()


@pytest.mark.parametrize(("longest", "reason"), [(11, FinishReason.STOP), (12, FinishReason.LENGTH)])
def test_what_can_never_fit_is_refused(longest: int, reason: FinishReason) -> None:
    harness = Harness(cells=130)
    answer = harness.score(STEMS[0], [[1], [2] * longest])
    harness.drain()
    assert answer.reason is reason


def test_a_higher_class_goes_first() -> None:
    harness = Harness(slots=1)
    batch = harness.score(STEMS[0], [[1, 2]], priority=Priority.BATCH)
    critical = harness.score(STEMS[1], [[1, 2]], priority=Priority.CRITICAL)
    while critical.finished is None:
        harness.step()
    assert batch.started is None
    harness.drain()


def test_an_empty_choice_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError, match="empty choice"):
        Choices([[1], []])
