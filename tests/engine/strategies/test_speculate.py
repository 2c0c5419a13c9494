"""Several tokens a step, through the whole engine: the answer is that of plain decoding."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.drafting import Always, HoldBack, Overshoot, Scripted, drafted, from_both
from tests.engine.harness import Harness, expected
from tests.engine.test_engine import STEMS, Operation, operations, perform
from tests.engine.test_engine_grammar import held
from tests.engine.test_score import Scored, scored
from tests.scale import examples
from xapp.domain.messages import FinishReason, Priority
from xapp.engine.sequence import Sequence
from xapp.engine.strategies.ngram import NgramProposer
from xapp.engine.strategies.source import Source
from xapp.engine.strategies.speculate import Speculate
from xapp.engine.strategies.strategy import Strategy


@dataclass(frozen=True)
class Way:
    name: str
    new: Callable[..., Strategy[Sequence]]


WAYS = [
    Way("speculate", Scripted),
    Way("overshoot", Overshoot),
    Way("hold back", HoldBack),
    Way("n-grams", lambda cache, seed=0: Speculate(cache, Source(NgramProposer(1), Always(), 1 + seed % 8))),
    Way("draft model", drafted),
    Way("both", from_both),
]


@settings(max_examples=examples(150))
@given(
    st.lists(st.one_of(operations.map(tuple), st.lists(scored, max_size=2).map(tuple)), max_size=4),
    st.sampled_from(WAYS),
    st.integers(0, 1000),
    st.integers(1, 5),
    st.integers(0, 5),
    st.integers(64, 400),
    st.integers(0, 60),
    st.booleans(),
)
def test_any_interleaving(
    todo: list[tuple[Operation | Scored, ...]],
    way: Way,
    seed: int,
    slots: int,
    spare_ids: int,
    cells: int,
    spare_batch: int,
    prefix_cache: bool,
) -> None:
    harness = Harness(
        slots=slots,
        num_sequences=slots + spare_ids,
        cells=cells,
        max_batch=slots + spare_batch,
        prefix_cache=prefix_cache,
        strategy=lambda cache: way.new(cache, seed),
    )
    for operation in (each for some in todo for each in some):
        if isinstance(operation, Scored):
            harness.score(operation.prompt, operation.choices, priority=operation.priority)
        else:
            perform(harness, operation)
    harness.drain()


def right(count: int, wrong: int = 0) -> Callable[..., Scripted]:
    """So many guesses that are right, then so many that are not."""
    return partial(Scripted, right=count, wrong=wrong)


def tokens_a_step(harness: Harness) -> list[int]:
    """Of the one answer, without those of the prompt's step."""
    (answer,) = harness.answers
    counts = []
    while harness.engine.has_work:
        before = len(answer.tokens)
        harness.step()
        counts.append(len(answer.tokens) - before)
    return counts


@pytest.mark.parametrize(("count", "wrong"), [(0, 0), (0, 3), (2, 0), (2, 4), (5, 1)])
def test_a_step_brings_the_right_guesses_and_a_token_more(count: int, wrong: int) -> None:
    harness = Harness(strategy=right(count, wrong))
    answer = harness.submit(STEMS[0][:20], 1 + 4 * (count + 1), ignore_eos=True)
    assert tokens_a_step(harness) == [1] + [count + 1] * 4
    assert answer.tokens == expected(answer.request)[0]


def test_no_draft_goes_beyond_max_tokens() -> None:
    harness = Harness(strategy=right(8))
    harness.submit(STEMS[0][:20], 6, ignore_eos=True)
    assert tokens_a_step(harness) == [1, 5]
    assert [len(plan.batch) for plan in harness.plans if plan.num_decode] == [5]


@pytest.mark.parametrize("way", [WAYS[0], *WAYS[3:]], ids=lambda way: way.name)
@pytest.mark.parametrize("most", range(8, 16))
def test_the_end_of_the_context_in_the_middle_of_a_draft_ends_the_answer_there(way: Way, most: int) -> None:
    """The cells have room for the prompt and the answer, and for no draft beyond."""
    harness = Harness(cells=len(STEMS[0]) + most, strategy=way.new, prefix_cache=False)
    answer = harness.submit(STEMS[0], most, ignore_eos=True)
    harness.drain()
    assert answer.reason is FinishReason.LENGTH
    assert answer.tokens == expected(answer.request)[0]
    assert harness.cache.used == harness.cache.reserved == 0


@pytest.mark.parametrize("most", range(1, 12))
def test_an_end_within_a_draft_ends_the_answer_there(most: int) -> None:
    """Some prompt's answer stops by itself after a few tokens; the guesses go on behind its end."""
    prompt = next([n] for n in range(200) if 3 < len(stopping([n])) < 12)
    harness = Harness(strategy=lambda cache: Scripted(cache, right=12, wrong=0, most=most))
    answer = harness.submit(prompt, 50)
    harness.drain()
    assert answer.reason is FinishReason.STOP
    assert answer.tokens == stopping(prompt)


def stopping(prompt: list[int]) -> list[int]:
    tokens, reason = expected(Harness().submit(prompt, 50).request)
    return tokens if reason is FinishReason.STOP else []


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_cancel_and_a_deadline_in_the_middle_of_a_draft_give_everything_back(way: Way) -> None:
    harness = Harness(slots=2, strategy=way.new, prefix_cache=False)
    cancelled = harness.submit(STEMS[0], 100, ignore_eos=True)
    late = harness.submit(STEMS[1], 100, ignore_eos=True, deadline=harness.clock.now + 2)
    for _ in range(7):
        harness.step()
    harness.cancel(cancelled)
    harness.clock.now += 2
    harness.step()
    assert (cancelled.reason, late.reason) == (FinishReason.CANCELLED, FinishReason.EXPIRED)
    assert harness.cache.used == harness.cache.reserved == 0
    harness.drain()


@pytest.mark.parametrize("steps", range(2, 9))
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("cells", [512, 240], ids=["paused", "evicted"])
def test_preemption_in_the_middle_of_a_draft_changes_no_answer(way: Way, steps: int, cells: int) -> None:
    harness = Harness(slots=1, cells=cells, strategy=way.new)
    low = harness.submit(STEMS[0], 40, ignore_eos=True, priority=Priority.BATCH)
    for _ in range(steps):
        harness.step()
    high = harness.submit(STEMS[1], 20, ignore_eos=True, priority=Priority.CRITICAL)
    harness.drain()
    assert low.tokens == expected(low.request)[0]
    assert high.tokens == expected(high.request)[0]
    assert harness.engine.stats().total_preemptions == 1
    assert harness.engine.stats().total_evictions == (cells == 240)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize(
    "grammar",
    ['root ::= "abcdefgh"', "root ::= [0-9]+", 'root ::= ("x" [a-f]{3} " "){2,5}', 'root ::= "€"+ "."'],
)
@pytest.mark.parametrize("max_tokens", [3, 8, 60])
def test_a_grammar_holds_a_draft_as_it_holds_an_answer(way: Way, grammar: str, max_tokens: int) -> None:
    plain, drafted = Harness(), Harness(strategy=way.new)
    answers = []
    for harness in (plain, drafted):
        answers.append(harness.submit([1, 2], max_tokens, sampling=held(grammar)))
        while harness.engine.has_work:
            harness.step()
    assert answers[1].tokens == answers[0].tokens
    assert answers[1].reason is answers[0].reason
    assert not drafted.backend.live_samplers


def test_a_grammar_that_gets_stuck_within_a_draft_ends_only_its_own_request() -> None:
    hostile = held('root ::= ("0"{0,1000} | "00"{0,1000} | "000"{0,1000}){1,16} "x"')
    ends = []
    for strategy in (None, right(0, 3), HoldBack):
        harness = Harness(strategy=strategy)
        bad = harness.submit([1], 200, sampling=hostile)
        good = harness.submit([2, 3], 5, sampling=held('root ::= "abc"'))
        while harness.engine.has_work:
            harness.step()
        assert bytes(good.tokens) == b"abc"
        ends.append((bad.reason, bad.tokens))
    assert ends[0][0] is FinishReason.STUCK
    assert ends == [ends[0]] * 3


def test_nobody_guesses_beside_a_prompt() -> None:
    harness = Harness(slots=2, max_batch=64, strategy=right(5))
    harness.submit(STEMS[0], 60, ignore_eos=True)
    for _ in range(3):
        harness.step()
    assert harness.plans[-1].batch.drafts
    harness.submit(STEMS[1], 5, ignore_eos=True)
    harness.step()
    assert harness.plans[-1].num_prefill
    assert not harness.plans[-1].batch.drafts
    harness.drain()


def test_all_drafts_of_a_step_together_keep_to_its_rows() -> None:
    harness = Harness(slots=4, probes=6, strategy=right(8))
    for n in range(4):
        harness.submit([n, *STEMS[0][:20]], 60, ignore_eos=True)
    harness.drain()
    drafts = [len(plan.batch.drafts) for plan in harness.plans]
    assert max(drafts) == 6


def test_tokens_that_were_drawn_are_counted_and_rejected_drafts_are_not() -> None:
    harness = Harness(strategy=right(1, 3))
    harness.submit(STEMS[0], 21, ignore_eos=True)
    harness.drain()
    assert harness.engine.stats().total_decode_tokens == 21


def test_spare_cells_are_set_aside_and_bound_what_fits() -> None:
    fits, never = (Harness(cells=cells, strategy=Overshoot) for cells in (120 + 9 + 5, 120 + 9 + 4))
    answers = [harness.submit(STEMS[0], 10, ignore_eos=True) for harness in (fits, never)]
    fits.drain()
    never.drain()
    assert [len(answer.tokens) for answer in answers] == [10, 0]
    assert answers[1].reason is FinishReason.LENGTH
