"""Guesses from a draft model: what it reads, what it gives back, and when it is asked."""

import zlib
from array import array
from collections.abc import Sequence as Tokens

import pytest

from tests.engine.drafting import Always
from tests.engine.harness import Harness, expected, rule
from xapp.backend.base import Batch
from xapp.backend.fake_draft import FakeDraft
from xapp.domain.decoding import Auto, Drafted, Ngram
from xapp.domain.messages import Priority, StepCurve
from xapp.domain.prefix import common_prefix
from xapp.engine.drafts import Drafts
from xapp.engine.strategies.break_even import BreakEven
from xapp.engine.strategies.decode import DECODE
from xapp.engine.strategies.draft import CATCH_UP, DraftProposer
from xapp.engine.strategies.guess import NO_GUESS, Guess
from xapp.engine.strategies.source import Source
from xapp.engine.strategies.speculate import Speculate
from xapp.engine.strategies.table import Strategies
from xapp.steps.step_cost import StepCost, straight_curve

PROMPT = list(range(40))
CHEAP = StepCurve((1, 2), (0.1, 0.1), (1, 16), (0.1, 0.11))
"""A step on a node that is bound by its memory: rows cost nearly nothing."""


def harness_with(draft: FakeDraft, **fields: object) -> Harness:
    """An engine that has a draft model. Requests choose their strategy themselves."""
    harness = Harness(**fields)  # type: ignore[arg-type]
    harness.backend.draft = draft
    draft._spend = lambda seconds: setattr(harness.clock, "now", harness.clock.now + seconds)
    engine = harness.engine
    harness.backend.step_seconds, harness.backend.token_seconds = 0.1, 0.001
    engine._step_time.replace_curve(CHEAP)
    engine._strategies = Strategies(harness.backend, engine._kv_cache, engine._step_time, harness.clock)
    return harness


def always(drafts: Drafts, harness: Harness) -> None:
    """Every request drafts at any price."""
    harness._use(lambda cache: Speculate(cache, Source(DraftProposer(drafts), Always(), 4)))


def test_right_guesses_take_fewer_steps_and_are_those_of_the_draft_model() -> None:
    harness = harness_with(FakeDraft(rule))
    answer = harness.submit(PROMPT, 60, ignore_eos=True, strategy=Drafted())
    harness.drain()
    assert answer.tokens == expected(answer.request)[0]
    assert answer.finished is not None
    assert answer.finished.num_accepted == answer.finished.num_drafted > 40
    assert answer.finished.num_draft_steps < 12
    assert answer.finished.gain > 3


def test_the_draft_model_holds_the_tokens_of_its_sequence_and_no_wrong_guess() -> None:
    draft = FakeDraft(lambda tokens: (rule(tokens) + (len(tokens) % 3 == 0)) % 256)
    harness = harness_with(draft, slots=2)
    always(Drafts(draft), harness)
    for first in (1, 2):
        harness.submit([first, *PROMPT], 40, ignore_eos=True)
    while harness.engine.has_work:
        harness.step()
        for sequence in harness.scheduler.queues.running:
            for held in (each for each in draft.cells if each[:1] == sequence.tokens[:1]):
                assert len(held) <= len(sequence.tokens) + 4
                right = common_prefix(held, sequence.tokens)
                assert right >= min(len(held), len(sequence.tokens)) - 5
    assert draft.cells == [[]] * draft.num_sequences


def test_a_long_prompt_is_read_in_pieces() -> None:
    draft = FakeDraft(rule)
    proposer = DraftProposer(Drafts(draft))
    tokens = list(range(200))
    for number in range(1, 4):
        assert proposer.propose(tokens, 3) == NO_GUESS
        assert len(draft.cells[-1] or draft.cells[0]) == number * CATCH_UP
    guess = proposer.propose(tokens, 3)
    assert guess.tokens[0] == rule(tokens)
    assert len(guess.tokens) == len(guess.kinds) == 3


def test_without_an_id_or_cells_there_are_no_guesses_and_nothing_is_held() -> None:
    drafts = Drafts(FakeDraft(rule, num_sequences=1, num_cells=50))
    first, second, long = (DraftProposer(drafts) for _ in range(3))
    assert first.propose(PROMPT, 2) != NO_GUESS
    assert second.propose(PROMPT, 2) == NO_GUESS
    first.close()
    assert long.propose([*PROMPT, *PROMPT], 2) == NO_GUESS
    assert drafts.used == 0
    assert second.propose(PROMPT, 2) != NO_GUESS


def test_a_text_beyond_the_context_of_the_draft_model_has_no_guesses() -> None:
    drafts = Drafts(FakeDraft(rule, context_length=len(PROMPT) + 2))
    proposer = DraftProposer(drafts)
    assert proposer.propose(PROMPT, 2) != NO_GUESS
    assert proposer.propose([*PROMPT, rule(PROMPT), 0, 0], 2) == NO_GUESS
    assert drafts.used == 0


def test_one_sequence_s_cells_never_serve_another() -> None:
    """The draft model of the first goes to the second, which guesses from its own text alone."""
    draft = FakeDraft(rule, num_sequences=1)
    drafts = Drafts(draft)
    first, second = DraftProposer(drafts), DraftProposer(drafts)
    first.propose([9] * 20, 4)
    first.close()
    assert second.propose(PROMPT, 1).tokens == [rule(PROMPT)]
    assert draft.cells[0] == PROMPT


@pytest.mark.parametrize("cells", [512, 240], ids=["paused", "evicted"])
def test_preempted_or_cancelled_it_gives_its_id_back_by_its_end(cells: int) -> None:
    draft = FakeDraft(rule)
    drafts = Drafts(draft)
    harness = harness_with(draft, slots=1, cells=cells)
    always(drafts, harness)
    low = harness.submit([7] * 120, 40, ignore_eos=True, priority=Priority.BATCH)
    for _ in range(8):
        harness.step()
    harness.submit([8] * 120, 20, ignore_eos=True, priority=Priority.CRITICAL)
    for _ in range(4):
        harness.step()
    cancelled = harness.submit([9] * 20, 40, ignore_eos=True, priority=Priority.CRITICAL)
    harness.step()
    harness.cancel(cancelled)
    while harness.engine.has_work:
        harness.step()
    assert low.tokens == expected(low.request)[0]
    assert drafts.used == 0
    assert len(drafts._free_ids) == draft.num_sequences


def test_a_model_without_a_draft_model_decodes_plainly() -> None:
    harness = Harness()
    assert harness.engine._strategies.choose(harness.submit([1], 1, strategy=Drafted()).request) is DECODE


def test_auto_asks_both_sources() -> None:
    """The rule never repeats itself: only the draft model can guess."""
    harness = harness_with(FakeDraft(rule))
    answers = [harness.submit(PROMPT, 40, ignore_eos=True, strategy=way) for way in (Auto(), Ngram())]
    harness.drain()
    auto, own = (answer.finished for answer in answers)
    assert auto is not None
    assert own is not None
    assert auto.num_accepted > 20
    assert own.num_accepted == 0


# ---- when it is asked


def dear(tokens: Tokens[int]) -> int:
    """Always wrong."""
    return (rule(tokens) + 1) % 256


def test_a_draft_model_that_is_too_slow_is_never_asked() -> None:
    draft = FakeDraft(rule, token_s=0.09)
    harness = harness_with(draft)
    answer = harness.submit(PROMPT, 100, ignore_eos=True, strategy=Drafted())
    harness.drain()
    assert answer.finished is not None
    assert answer.finished.num_drafted == 0
    assert answer.finished.gain == 1.0


def test_a_draft_model_that_is_wrong_is_asked_ever_less() -> None:
    harness = harness_with(FakeDraft(dear, token_s=0.02))
    answer = harness.submit(PROMPT, 400, ignore_eos=True, strategy=Drafted())
    harness.drain()
    assert answer.finished is not None
    assert 0 < answer.finished.num_drafted < 40


def tries(length: BreakEven, steps: int, cost_s: float) -> int:
    return sum(length.worth(Batch(num_decode=1), 0, 4, lambda count: count * cost_s) for _ in range(steps))


def test_a_try_of_what_does_not_pay_takes_a_small_share_of_the_time() -> None:
    length = BreakEven(StepCost(CHEAP))
    for _ in range(30):
        length.learn(0, [5])
    for cost_s in (0.01, 0.04):
        found = tries(length, 1000, cost_s)
        assert found
        assert found * cost_s <= 0.02 * 1000 * 0.1 * 1.1


def test_what_could_never_pay_is_not_tried() -> None:
    length = BreakEven(StepCost(straight_curve(0.1)))
    for _ in range(30):
        length.learn(0, [5])
    assert tries(length, 1000, 0.01) == 0


def test_it_is_asked_again_when_its_tries_are_right() -> None:
    length = BreakEven(StepCost(CHEAP))
    for _ in range(30):
        length.learn(0, [5])
    assert length.worth(Batch(num_decode=1), 0, 4, lambda count: count * 0.01) == 0
    for _ in range(20):
        length.learn(1, [5])
    assert length.worth(Batch(num_decode=1), 0, 4, lambda count: count * 0.01) > 0


def test_the_time_of_a_guess_is_measured() -> None:
    now = iter(range(1000))
    drafts = Drafts(FakeDraft(rule), clock=lambda: float(next(now)))
    seq_id = drafts.lend()
    assert seq_id is not None
    before = drafts.token_s
    for _ in range(40):
        drafts.guess(seq_id, 1, 2)
    assert before < drafts.token_s == pytest.approx(0.5, rel=0.05)


def test_kinds_follow_the_draft_model_s_own_probability() -> None:
    sure, unsure = (DraftProposer(Drafts(FakeDraft(rule, probability=p))) for p in (0.99, 0.1))
    assert sure.propose(PROMPT, 2) == Guess(unsure.propose(PROMPT, 2).tokens, [5, 5])
    assert unsure.propose([*PROMPT, zlib.crc32(array("i", PROMPT).tobytes()) % 256], 1).kinds == [0]
