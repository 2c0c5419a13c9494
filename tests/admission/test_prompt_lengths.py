"""Prompts tell the length of answers where that pays, and nothing where it does not."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.harness import Clock
from tests.scale import examples
from xapp.admission.lengths import AnswerLengths
from xapp.admission.open_request import AdmissionRequest
from xapp.admission.prompt_lengths import MAX_KINDS, MEMORY, MIN_ANSWERS, SELDOM, PromptLengths, Worth

MOST = 1000


def asking(text: str, kind: str = "me") -> AdmissionRequest:
    return AdmissionRequest(0.0, 1e6, MOST, kind=kind, text=text, num_bytes=len(text))


def of_words(number: int) -> str:
    return "cell " * number


def prompts(**options: bool) -> PromptLengths:
    return PromptLengths(AnswerLengths(Clock()), Clock(), lambda: 0.0, **options)


def answered(lengths: PromptLengths, text: str, tokens: int, kind: str = "me") -> int:
    """Asks, and has the answer of so many tokens. What was expected."""
    request = asking(text, kind)
    hint = lengths.hint(request)
    expected = lengths.quantile(request, hint, 0.5, MOST)
    lengths.record(request, hint, tokens, cut=False)
    return expected


def error(pairs: list[tuple[int, int]]) -> float:
    """The mean logarithm of the factor by which expectations were off."""
    return math.fsum(abs(math.log(expected / tokens)) for expected, tokens in pairs) / len(pairs)


def judged(tokens: Callable[[int], int], seed: int, **options: bool) -> float:
    """The error of the last 200 of 300 expectations, where prompts have 1 to 100 words."""
    draw, lengths, pairs = random.Random(seed), prompts(**options), []
    for _ in range(300):
        words = draw.randint(1, 100)
        made = max(1, round(tokens(words) * draw.uniform(0.8, 1.25)))
        pairs.append((answered(lengths, of_words(words), made), made))
    return error(pairs[-200:])


SEED = st.integers(0, 10_000)


@given(SEED, st.integers(2, 8))
@settings(max_examples=examples(10), deadline=None)
def test_prompts_that_tell_the_length_take_a_third_off_the_error(seed: int, slope: int) -> None:
    by_prompt = judged(lambda words: slope * words, seed)
    assert by_prompt < 2 / 3 * judged(lambda words: slope * words, seed, on=False)


@given(SEED)
@settings(max_examples=examples(10), deadline=None)
def test_prompts_that_tell_nothing_cost_no_accuracy(seed: int) -> None:
    """What is expected then is what the history tells, but for a few answers before that is noticed."""
    draw = random.Random(seed)
    drawn = [draw.choice((10, 30, 100, 300)) for _ in range(600)]
    with_prompt, without = iter(drawn), iter(drawn)
    by_prompt = judged(lambda _: next(with_prompt), seed)
    assert by_prompt < 1.1 * judged(lambda _: next(without), seed, on=False)


def test_it_is_noticed_when_prompts_stop_telling() -> None:
    lengths, draw = prompts(), random.Random(3)
    for _ in range(100):
        words = draw.randint(1, 100)
        answered(lengths, of_words(words), 4 * words)
    found = lengths.hint(asking(of_words(50)))
    assert found is not None
    assert found.used
    for _ in range(20 * MEMORY):
        answered(lengths, of_words(draw.randint(1, 100)), draw.randint(20, 400))
    hints = [lengths.hint(asking(of_words(50))) for _ in range(5 * SELDOM)]
    counted = [hint for hint in hints if hint is not None]
    assert len(counted) == 5, "one prompt in SELDOM is counted, to notice when it pays again"
    assert not any(hint.used for hint in counted)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), max_size=200), st.floats(0, 5))
def test_whatever_was_before_as_many_bad_predictions_as_are_remembered_end_it(
    before: list[tuple[float, float]], by_history: float
) -> None:
    worth = Worth()
    for each in before:
        worth.learn(*each)
    for _ in range(MEMORY):
        worth.learn(by_history, by_history)
    assert worth.decided
    assert not worth.pays


def test_little_experience_decides_nothing() -> None:
    worth = Worth()
    for number in range(MIN_ANSWERS):
        assert not worth.pays, number
        worth.learn(1.0, 0.1)
    assert worth.pays


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500), st.booleans()), max_size=120),
    st.integers(1, 400),
    st.integers(0, 400),
    st.booleans(),
)
@settings(max_examples=examples(50), deadline=None)
def test_a_quantile_is_within_the_bounds(
    known: list[tuple[int, int, bool]], cap: int, beyond: int, used: bool
) -> None:
    lengths = prompts()
    for words, tokens, cut in known:
        request = asking(of_words(words))
        lengths.record(request, lengths.hint(request), tokens, cut=cut)
    beyond = min(beyond, cap)
    request = asking(of_words(7))
    hint = lengths.hint(request)
    if hint is not None:
        hint = replace(hint, used=used)
    median, high = (lengths.quantile(request, hint, share, cap, beyond=beyond) for share in (0.5, 0.95))
    assert min(cap, beyond + 1) <= median <= high <= cap


def test_nobody_learns_from_the_prompts_of_others() -> None:
    lengths = prompts()
    for words in range(100):
        answered(lengths, of_words(words), 1 + 4 * words, kind="them")
    request = asking(of_words(80))
    assert lengths.quantile(request, lengths.hint(request), 0.5, MOST) == prompts().quantile(
        request, None, 0.5, MOST
    )


@pytest.mark.parametrize(
    "change",
    [{"exact": True}, {"max_tokens": 1}, {"text": ""}],
    ids=["the length is known", "a Score", "no prompt"],
)
def test_where_there_is_nothing_to_predict_nothing_is_counted(change: dict[str, object]) -> None:
    lengths = PromptLengths(AnswerLengths(Clock()), Clock(), count(1.0).__next__)
    assert lengths.hint(replace(asking("why?"), **change)) is None  # type: ignore[arg-type]
    assert lengths.cost_s == 0


def test_what_a_prediction_costs_is_counted() -> None:
    """Each look at the clock is a second later than the one before."""
    lengths = PromptLengths(AnswerLengths(Clock()), Clock(), count(1.0).__next__)
    request = asking("why?")
    hint = lengths.hint(request)
    assert lengths.cost_s == 1
    lengths.record(request, hint, 7, cut=False)
    assert lengths.cost_s == 2
    lengths.record(request, None, 7, cut=False)
    assert lengths.cost_s == 2


def test_kinds_are_bounded() -> None:
    lengths = prompts()
    for number in range(2 * MAX_KINDS):
        answered(lengths, "why?", 5, kind=str(number))
    assert len(lengths._kinds) == MAX_KINDS
