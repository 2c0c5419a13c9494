"""Higher classes take the place of lower ones; the answers of those are what they would have been."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.harness import Answer, Harness
from tests.engine.test_engine import STEMS, Cancelled, Steps, Submitted, Tick, perform
from tests.scale import examples
from xapp.domain.messages import FinishReason, Priority
from xapp.engine.turns import STALL_LIMIT_S

BATCH, INTERACTIVE, CRITICAL = Priority.BATCH, Priority.INTERACTIVE, Priority.CRITICAL


def running(
    harness: Harness, priority: Priority, stem: int = 0, tokens: int = 60, prompt: int = 30
) -> Answer:
    """One that decodes."""
    answer = harness.submit(STEMS[stem][:prompt], tokens, priority=priority, ignore_eos=True)
    while len(answer.tokens) < 3:
        harness.step()
    return answer


def counts(harness: Harness) -> tuple[int, int, int]:
    stats = harness.engine.stats()
    return stats.total_preemptions, stats.total_evictions, stats.num_paused


def test_a_slot_is_taken_and_the_victim_goes_on_with_its_cells() -> None:
    harness = Harness(slots=1)
    low = running(harness, BATCH)
    high = harness.submit(STEMS[1][:20], 5, priority=INTERACTIVE, ignore_eos=True)
    harness.step()
    assert high.started is not None
    assert counts(harness) == (1, 0, 1)
    before = sum(plan.num_prefill for plan in harness.plans)
    so_far = len(low.tokens)
    while high.finished is None:
        harness.step()
    assert len(low.tokens) == so_far
    harness.drain()
    assert len(low.tokens) == 60
    assert sum(plan.num_prefill for plan in harness.plans) == before
    assert counts(harness) == (1, 0, 0)


@pytest.mark.parametrize("prefix_cache", [True, False])
def test_cells_are_taken_and_the_victim_prefills_again(prefix_cache: bool) -> None:
    harness = Harness(slots=4, cells=128, prefix_cache=prefix_cache)
    low = running(harness, BATCH, tokens=60)
    sequence = harness.engine._sequences[low.request.request_id]
    sampler = sequence.sampler
    high = harness.submit(STEMS[1][:60], 40, priority=CRITICAL, ignore_eos=True)
    harness.step()
    assert high.started is not None
    assert counts(harness)[1:] == (1, 0)
    # What it has drawn from its seed, and what it penalises, goes on where it was.
    assert sequence.sampler is sampler
    harness.drain()
    assert (len(low.tokens), low.reason) == (60, FinishReason.LENGTH)
    assert low.finished is not None
    assert low.finished.num_cached_tokens == 0


def test_a_prompt_half_computed_is_gone_on_with() -> None:
    harness = Harness(slots=1, max_batch=20)
    low = harness.submit(STEMS[0], 5, priority=BATCH)
    harness.step()
    high = harness.submit(STEMS[1][:10], 2, priority=INTERACTIVE)
    harness.drain()
    assert high.finished is not None
    assert low.finished is not None
    assert high.finished.at < low.finished.at
    # Each prompt once; nothing twice.
    assert sum(plan.num_prefill for plan in harness.plans) == 120 + 10


def test_the_same_class_is_not_preempted_whatever_its_deadline() -> None:
    harness = Harness(slots=1)
    first = running(harness, INTERACTIVE)
    harness.submit(STEMS[1], 2, priority=INTERACTIVE, deadline=harness.clock.now + 100)
    harness.step()
    assert counts(harness) == (0, 0, 0)
    harness.drain()
    assert len(first.tokens) == 60


def test_the_latest_deadline_of_the_lowest_class_makes_way() -> None:
    harness = Harness(slots=3)
    now = harness.clock.now
    classes = [(INTERACTIVE, 900), (BATCH, 800), (BATCH, 700)]
    answers = [
        harness.submit([n] * 9, 90, priority=priority, deadline=now + within, ignore_eos=True)
        for n, (priority, within) in enumerate(classes)
    ]
    harness.step()
    harness.submit([7] * 9, 90, priority=CRITICAL, ignore_eos=True)
    harness.step()
    waiting = [each.request.request_id for each in harness.scheduler.queues.waiting]
    assert waiting == [answers[1].request.request_id]
    harness.drain()


def test_within_a_class_the_earliest_deadline_goes_first() -> None:
    harness = Harness(slots=1)
    now = harness.clock.now
    answers = [harness.submit([n] * 9, 2, deadline=now + within) for n, within in enumerate((50, 30, 90, 40))]
    harness.drain()
    ends = [answer.finished.at for answer in answers if answer.finished]
    assert sorted(range(4), key=ends.__getitem__) == [1, 3, 0, 2]


def test_nobody_is_evicted_for_one_who_would_not_fit_all_the_same() -> None:
    harness = Harness(slots=4, cells=128)
    running(harness, CRITICAL, tokens=60)
    running(harness, BATCH, stem=1, tokens=10, prompt=20)
    large = harness.submit(STEMS[2][:60], 60, priority=INTERACTIVE)
    harness.step()
    assert large.started is None
    assert counts(harness) == (0, 0, 0)
    harness.drain()


def test_victims_can_be_cancelled_and_go_on_in_order() -> None:
    harness = Harness(slots=1, num_sequences=3)
    low = running(harness, BATCH)
    high = running(harness, INTERACTIVE, stem=1)
    top = running(harness, CRITICAL, stem=2)
    assert counts(harness)[2] == 2
    harness.cancel(low)
    harness.step()
    assert low.reason is FinishReason.CANCELLED
    harness.cancel(top)
    harness.step()
    assert len(high.tokens) == 4
    harness.drain()


def test_ids_run_out_and_the_victim_goes_without_its_cells() -> None:
    harness = Harness(slots=2, num_sequences=2)
    lows = [running(harness, BATCH, stem=stem) for stem in (0, 1)]
    for _ in range(2):
        harness.submit(STEMS[2][:20], 5, priority=CRITICAL)
    harness.step()
    assert counts(harness)[1] >= 1
    harness.drain()
    assert [len(low.tokens) for low in lows] == [60, 60]


def test_scoring_is_preempted_as_well() -> None:
    harness = Harness(slots=1, probes=1, branches=0)
    low = harness.score(STEMS[0][:30], [[1, 2, 3, 4], [5, 6, 7]], priority=BATCH)
    harness.step()
    harness.submit(STEMS[1][:20], 2, priority=CRITICAL)
    harness.step()
    assert counts(harness)[0] == 1
    harness.drain()
    assert low.scores is not None


# ---- a critical prompt goes alone


def test_others_stand_still_while_a_critical_prompt_is_computed() -> None:
    harness = Harness(slots=4, max_batch=30)
    lows = [running(harness, priority, stem) for stem, priority in enumerate((BATCH, INTERACTIVE))]
    lengths = [len(low.tokens) for low in lows]
    critical = harness.submit(STEMS[2], 3, priority=CRITICAL, ignore_eos=True)
    while not critical.tokens:
        harness.step()
    assert [len(low.tokens) for low in lows] == lengths
    harness.step()
    assert [len(low.tokens) for low in lows] == [length + 1 for length in lengths]
    harness.drain()


def test_but_not_for_long() -> None:
    harness = Harness(slots=3, max_batch=30, cells=2048)
    low = running(harness, BATCH, tokens=100)
    prefilling = harness.submit(STEMS[1][:40], 2, priority=BATCH)
    gaps, number = [harness.clock.now], 0
    while len(gaps) < 5 or prefilling.finished is None:
        if not any(each.request.priority is CRITICAL for each in harness.scheduler.queues.running):
            number += 1
            harness.submit([number] * 120, 1, priority=CRITICAL)
        before = len(low.tokens)
        harness.step()
        if len(low.tokens) > before:
            gaps.append(harness.clock.now)
    longest = max(after - before for before, after in pairwise(gaps))
    assert longest <= STALL_LIMIT_S + 0.5
    harness.drain()


# ---- nobody starves


@settings(max_examples=examples(30))
@given(st.integers(1, 3), st.sampled_from([0.5, 2.0]), st.booleans())
def test_lower_classes_are_served_at_a_bounded_interval(slots: int, ageing_s: float, both: bool) -> None:
    harness = Harness(slots=slots, ageing_s=ageing_s, cells=2048)
    lows = [harness.submit([n] * 20, 5, priority=BATCH) for n in range(3)]
    if both:
        lows += [harness.submit([n] * 20, 5, priority=INTERACTIVE) for n in (3, 4)]
    began, number = harness.clock.now, 10
    while any(low.finished is None for low in lows):
        while len(harness.scheduler.queues.waiting) < 12:
            number += 1
            harness.submit([number % 250] * 10, 5, priority=CRITICAL)
        harness.step()
        assert harness.clock.now < began + 3 * (ageing_s + 8)
    harness.drain()


def test_without_time_nobody_is_promoted() -> None:
    harness = Harness(slots=1, ageing_s=1e9)
    low = harness.submit([1] * 20, 5, priority=BATCH)
    for number in range(200):
        harness.submit([number] * 10, 5, priority=CRITICAL)
        harness.step()
    assert low.started is None
    harness.drain()


def test_a_promoted_one_is_not_preempted() -> None:
    harness = Harness(slots=1, ageing_s=0.1)
    harness.submit([9] * 10, 60, priority=CRITICAL, ignore_eos=True)
    low = harness.submit([1] * 20, 40, priority=BATCH, ignore_eos=True)
    while not low.tokens:
        harness.step()
    harness.submit([8] * 10, 60, priority=CRITICAL)
    harness.step()
    assert counts(harness) == (0, 0, 0)
    harness.drain()


# ---- all of it at once

crowds = st.lists(
    st.one_of(
        st.builds(
            Submitted,
            st.builds(lambda stem, length: STEMS[stem][:length], st.integers(0, 2), st.integers(1, 100)),
            st.integers(1, 60),
            st.sampled_from(Priority),
            st.booleans(),
            st.one_of(st.none(), st.floats(0.05, 5)),
            st.sampled_from((False, False, True)),
        ),
        st.builds(Cancelled, st.integers(0, 60)),
        st.builds(Steps, st.integers(1, 5)),
        st.builds(Tick, st.floats(0, 0.5)),
    ),
    min_size=20,
    max_size=90,
)


@settings(max_examples=examples(100))
@given(
    crowds,
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(100, 260),
    st.booleans(),
    st.sampled_from([0.05, 1.0, 30.0]),
)
def test_any_crowd(
    todo: list[Submitted | Cancelled | Steps | Tick],
    slots: int,
    spare_ids: int,
    cells: int,
    prefix_cache: bool,
    ageing_s: float,
) -> None:
    harness = Harness(
        slots=slots,
        num_sequences=slots + spare_ids,
        cells=cells,
        prefix_cache=prefix_cache,
        ageing_s=ageing_s,
    )
    for operation in todo:
        perform(harness, operation)
    harness.drain()
    stats = harness.engine.stats()
    assert (stats.num_running, stats.num_waiting, stats.num_paused) == (0, 0, 0)
