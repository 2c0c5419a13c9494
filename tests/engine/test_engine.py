"""Continuous batching: whatever comes in whatever order, each request gets its own answer."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.harness import Answer, Harness, expected
from tests.scale import examples
from xapp.domain.messages import FinishReason, Priority

STEMS = tuple([(7 * stem + index * index) % 200 for index in range(120)] for stem in range(3))


def prompt(stem: int, length: int, tail: list[int]) -> list[int]:
    return [*STEMS[stem][:length], *tail]


prompts = st.builds(
    prompt,
    st.integers(0, 2),
    st.integers(0, 120),
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
)


@dataclass(frozen=True)
class Submitted:
    prompt: list[int]
    max_tokens: int
    priority: Priority
    ignore_eos: bool
    deadline: float | None
    deterministic: bool = False


@dataclass(frozen=True)
class Cancelled:
    which: int


@dataclass(frozen=True)
class Steps:
    count: int


@dataclass(frozen=True)
class Interruptions:
    count: int


@dataclass(frozen=True)
class Tick:
    seconds: float


operations = st.lists(
    st.one_of(
        st.builds(
            Submitted,
            prompts,
            st.integers(1, 40),
            st.sampled_from(Priority),
            st.booleans(),
            st.one_of(st.none(), st.floats(-0.1, 2)),
            st.sampled_from((False, False, True)),
        ),
        st.builds(
            Submitted, prompts, st.integers(1, 10), st.just(Priority.INTERACTIVE), st.booleans(), st.none()
        ),
        st.builds(Cancelled, st.integers(0, 40)),
        st.builds(Steps, st.integers(1, 6)),
        st.builds(Interruptions, st.integers(1, 3)),
        st.builds(Tick, st.floats(0, 1)),
    ),
    min_size=10,
    max_size=80,
)


Operation = Submitted | Cancelled | Steps | Interruptions | Tick


def perform(harness: Harness, operation: Operation) -> None:
    match operation:
        case Submitted():
            deadline = None if operation.deadline is None else harness.clock.now + operation.deadline
            harness.submit(
                operation.prompt,
                operation.max_tokens,
                priority=operation.priority,
                ignore_eos=operation.ignore_eos,
                deadline=deadline,
                deterministic=operation.deterministic,
            )
        case Cancelled(which):
            harness.engine.cancel(which)
        case Steps(count):
            for _ in range(count):
                harness.step()
        case Interruptions(count):
            for _ in range(count):
                harness.step_interrupted()
        case Tick(seconds):
            harness.clock.now += seconds


@settings(max_examples=examples(100))
@given(
    operations,
    st.integers(1, 5),
    st.integers(0, 5),
    st.integers(64, 400),
    st.integers(0, 60),
    st.sampled_from([2.0, 30.0, 100.0]),
    st.booleans(),
)
def test_any_interleaving(
    todo: list[Operation],
    slots: int,
    spare_ids: int,
    cells: int,
    spare_batch: int,
    budget_ms: float,
    prefix_cache: bool,
) -> None:
    harness = Harness(
        slots=slots,
        num_sequences=slots + spare_ids,
        cells=cells,
        max_batch=slots + spare_batch,
        budget_ms=budget_ms,
        prefix_cache=prefix_cache,
    )
    for operation in todo:
        perform(harness, operation)
    harness.drain()


def test_a_step_that_is_interrupted_loses_only_what_it_computed_and_the_next_one_is_not() -> None:
    harness = Harness(slots=2, cells=1024, max_batch=512)
    answer = harness.submit([*STEMS[0], *STEMS[1]], 5)
    assert harness.step_interrupted().tokens == []
    assert harness.engine.stats().total_interrupted == 1
    assert harness.engine.stats().total_steps == 0
    harness.step_interrupted()
    assert harness.engine.stats().total_interrupted == 1
    assert harness.engine.stats().total_steps == 1
    harness.drain()
    assert answer.finished is not None


def test_a_request_that_interrupted_a_step_is_computed_first() -> None:
    harness = Harness(slots=2, cells=1024, max_batch=512)
    slow = harness.submit([*STEMS[0], *STEMS[1]], 5, priority=Priority.BATCH)
    harness.step_interrupted()
    urgent = harness.submit(STEMS[2][:20], 1, priority=Priority.CRITICAL)
    assert harness.lookout.watches[-1].ends_for(urgent.request)
    harness.step()
    assert urgent.finished is not None
    assert not slow.tokens
    harness.drain()


def test_four_identical_prompts_at_once_are_prefilled_once() -> None:
    harness = Harness(slots=4)
    answers = [harness.submit(STEMS[0], 5, ignore_eos=True) for _ in range(4)]
    harness.drain()
    assert sum(plan.num_prefill for plan in harness.plans) == 120 + 3
    assert [answer.finished.num_cached_tokens for answer in answers if answer.finished] == [0, 119, 119, 119]
    assert harness.engine.stats().total_cached_tokens == 3 * 119


def test_a_shared_system_prompt_is_prefilled_once() -> None:
    harness = Harness(slots=4)
    for tail in range(4):
        harness.submit([*STEMS[1], *[200 + tail] * 10], 3)
    harness.drain()
    assert sum(plan.num_prefill for plan in harness.plans) == 120 + 4 * 10


def test_a_served_prompt_is_reused_and_goes_on() -> None:
    harness = Harness()
    first = harness.submit(STEMS[0], 6, ignore_eos=True)
    harness.drain()
    follow_up = harness.submit([*STEMS[0], *first.tokens, 1, 2, 3], 3)
    harness.drain()
    assert follow_up.started is not None
    # The last token of an answer is never computed.
    assert follow_up.started.num_cached_tokens == len(STEMS[0]) + 5


def test_a_ready_prefix_is_not_passed_over_for_a_shorter_one_on_its_way() -> None:
    harness = Harness(slots=4, max_batch=8)
    slow = harness.submit([*STEMS[0][:40], *range(200, 240)], 3)
    harness.step()
    full = harness.submit(STEMS[0], 50, ignore_eos=True, priority=Priority.CRITICAL)
    while not full.tokens:
        harness.step()
    assert not slow.tokens
    late = harness.submit([*STEMS[0], 1], 3)
    harness.step()
    assert late.started is not None
    assert late.started.num_cached_tokens == 120
    harness.drain()


def test_ids_run_out_and_the_match_is_taken_over() -> None:
    harness = Harness(slots=1, num_sequences=1, cells=200)
    harness.submit(STEMS[0][:60], 20, ignore_eos=True)
    harness.drain()
    again = harness.submit([*STEMS[0][:50], 9], 2)
    harness.drain()
    assert again.started is not None
    assert again.started.num_cached_tokens == 50


def test_cells_run_out_and_the_match_is_trimmed() -> None:
    harness = Harness(slots=2, cells=100)
    harness.submit(STEMS[0][:60], 41, ignore_eos=True)
    harness.drain()
    assert harness.cache.used == 100
    again = harness.submit([*STEMS[0][:30], 9], 70, ignore_eos=True)
    harness.drain()
    assert again.started is not None
    assert again.started.num_cached_tokens == 30
    assert len(again.tokens) == 70


@pytest.mark.parametrize("prefix_cache", [True, False])
def test_requests_fill_the_cache_to_the_last_cell(prefix_cache: bool) -> None:
    harness = Harness(slots=2, cells=128, prefix_cache=prefix_cache)
    answers = [harness.submit(STEMS[stem][:60], 5, ignore_eos=True) for stem in (0, 1)]
    harness.step()
    assert harness.cache.used + harness.cache.reserved == 128
    whole = harness.submit(STEMS[2], 9, ignore_eos=True)
    harness.drain()
    assert all(len(answer.tokens) == 5 for answer in answers)
    assert len(whole.tokens) == 9


def test_what_can_never_fit_ends_at_once_and_disturbs_nobody() -> None:
    harness = Harness(cells=100)
    fits = harness.submit(STEMS[0][:90], 11, ignore_eos=True)
    never = harness.submit(STEMS[0][:90], 12)
    harness.step()
    assert never.reason is FinishReason.LENGTH
    assert never.started is None
    harness.drain()
    assert len(fits.tokens) == 11


def test_what_exceeds_the_context_ends_at_once() -> None:
    harness = Harness(cells=512, context=100)
    never = harness.submit(STEMS[0][:90], 12)
    harness.step()
    assert never.reason is FinishReason.LENGTH


def running_pair() -> tuple[Harness, Answer, Answer]:
    harness = Harness(slots=1)
    first = harness.submit(STEMS[0], 200, ignore_eos=True)
    second = harness.submit(STEMS[1], 2)
    harness.step()
    assert first.started is not None
    assert second.started is None
    return harness, first, second


def test_the_slot_of_a_cancelled_request_is_free_by_the_next_step() -> None:
    harness, first, second = running_pair()
    harness.cancel(first)
    events = harness.step()
    assert [finished.reason for finished in events.finished] == [FinishReason.CANCELLED]
    assert second.started is not None


def test_the_slot_of_an_expired_request_is_free_by_the_next_step() -> None:
    harness = Harness(slots=1)
    first = harness.submit(STEMS[0], 200, ignore_eos=True, deadline=harness.clock.now + 1)
    second = harness.submit(STEMS[1], 2)
    harness.step()
    harness.clock.now += 1
    harness.step()
    assert first.reason is FinishReason.EXPIRED
    assert second.started is not None


def test_a_request_that_waits_can_be_cancelled_and_can_expire() -> None:
    harness, first, second = running_pair()
    third = harness.submit(STEMS[1], 2, deadline=harness.clock.now)
    harness.cancel(second)
    events = harness.step()
    assert {finished.request_id for finished in events.finished} == {1, 2}
    assert (second.reason, third.reason) == (FinishReason.CANCELLED, FinishReason.EXPIRED)
    assert first.finished is None


def test_cancel_alone_is_work_and_unknown_ids_are_not() -> None:
    harness = Harness()
    harness.engine.cancel(99)
    assert not harness.engine.has_work
    answer = harness.submit(STEMS[0], 3)
    harness.cancel(answer)
    assert harness.engine.has_work
    harness.drain()
    assert answer.reason is FinishReason.CANCELLED
    assert harness.backend.batches == []


def test_a_cancelled_prefill_leaves_what_it_computed() -> None:
    harness = Harness(max_batch=20)
    first = harness.submit(STEMS[0], 3)
    for _ in range(3):
        harness.step()
    harness.cancel(first)
    second = harness.submit(STEMS[0], 3)
    harness.drain()
    assert second.started is not None
    assert second.started.num_cached_tokens == 60


def test_deadlines_of_ended_requests_are_forgotten() -> None:
    harness = Harness()
    for _ in range(500):
        harness.submit([1], 1, deadline=harness.clock.now + 1e9)
        harness.drain(3)
    assert len(harness.engine._deadlines) < 200


def test_a_deadline_that_is_put_off_ends_it_only_then() -> None:
    harness = Harness(slots=1)
    answer = harness.submit(STEMS[0], 200, ignore_eos=True, deadline=harness.clock.now + 1)
    harness.step()
    harness.engine.extend(answer.request.request_id, harness.clock.now + 3)
    harness.engine.extend(answer.request.request_id, harness.clock.now + 2)
    harness.engine.extend(99, harness.clock.now + 2)
    for reason in (None, None, FinishReason.EXPIRED):
        harness.clock.now += 1
        harness.step()
        assert answer.reason is reason


def test_deadlines_that_were_put_off_are_forgotten() -> None:
    harness = Harness()
    answer = harness.submit(STEMS[0], 200, ignore_eos=True, deadline=harness.clock.now + 1000)
    for later in range(500):
        harness.engine.extend(answer.request.request_id, harness.clock.now + 1000 + later)
    assert len(harness.engine._deadlines) < 200
    harness.clock.now += 1498
    harness.step()
    assert answer.reason is None


def test_the_end_token_is_not_streamed_and_ignore_eos_goes_on() -> None:
    harness = Harness()
    ends = next([n] for n in range(100) if expected_reason([n]) is FinishReason.STOP)
    stops = harness.submit(ends, 200)
    goes_on = harness.submit(ends, 200, ignore_eos=True)
    harness.drain()
    assert stops.reason is FinishReason.STOP
    assert len(goes_on.tokens) == 200
    assert goes_on.tokens[: len(stops.tokens)] == stops.tokens


def expected_reason(tokens: list[int]) -> FinishReason:
    harness = Harness()
    answer = harness.submit(tokens, 200)
    return expected(answer.request)[1]


def test_stats_count_what_was_done() -> None:
    harness = Harness(slots=1)
    harness.submit(STEMS[0], 4, ignore_eos=True)
    harness.submit(STEMS[1], 4, ignore_eos=True)
    harness.step()
    stats = harness.engine.stats()
    assert (stats.num_running, stats.num_waiting, stats.kv_cells_total) == (1, 1, 512)
    assert stats.kv_cells_used == stats.total_prefill_tokens > 0
    harness.drain()
    stats = harness.engine.stats()
    assert (stats.total_prefill_tokens, stats.total_decode_tokens) == (240, 8)
    assert stats.total_steps == len(harness.backend.batches)
    assert stats.total_step_seconds == pytest.approx(harness.clock.now - 1000)


def test_an_empty_prompt_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError, match="empty"):
        Harness().submit([], 3)


def test_fewer_tokens_a_batch_than_slots_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError, match="slot"):
        Harness(slots=4, max_batch=3)
