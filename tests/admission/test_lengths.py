"""What is learned of answers: lengths, prefixes, and how wrong predictions were."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.harness import Clock
from tests.scale import examples
from xapp.admission.lengths import FORGET_S, GUESS, MAX_KINDS, AnswerLengths
from xapp.admission.prefix_guess import MAX_PROMPTS, MAX_SCOPES, PrefixGuess
from xapp.admission.residuals import Key, Residuals
from xapp.domain.messages import Submit


def learned(*lengths: int, cut: tuple[int, ...] = (), clock: Clock | None = None) -> AnswerLengths:
    found = AnswerLengths(clock or Clock())
    for length in lengths:
        found.record("kind", length, cut=False)
    for length in cut:
        found.record("kind", length, cut=True)
    return found


def test_quantiles_of_whole_answers() -> None:
    lengths = learned(*range(1, 41))
    assert lengths.quantile("kind", 0.5, 1000) == 20
    assert lengths.quantile("kind", 0.95, 1000) == 38
    assert lengths.quantile("kind", 0.95, 30) == 30


def test_answers_that_were_all_cut_short_say_nothing_of_longer_ones() -> None:
    assert learned(cut=(4,) * 6).quantile("kind", 0.5, 1000) == 4 + GUESS


def test_an_answer_that_was_cut_would_have_been_longer() -> None:
    assert learned(10, 20, 30, 40, cut=(5,) * 4).quantile("kind", 0.5, 1000) == 20
    assert learned(10, cut=(20,) * 5).quantile("kind", 0.5, 1000) == 114
    assert learned(10, cut=(20,) * 5).quantile("kind", 0.5, 20) == 20


def test_what_has_come_already_counts() -> None:
    lengths = learned(*range(1, 41))
    assert lengths.quantile("kind", 0.5, 1000, beyond=20) == 30
    assert lengths.quantile("kind", 0.5, 1000, beyond=100) == 228
    assert lengths.quantile("kind", 0.5, 101, beyond=100) == 101


def test_a_guess_until_something_is_known_and_after_it_was_forgotten() -> None:
    clock = Clock()
    lengths = learned(7, 7, 7, clock=clock)
    assert lengths.quantile("kind", 0.5, 1000) == 128
    lengths.record("kind", 7, cut=False)
    assert lengths.quantile("kind", 0.5, 1000) == 7
    assert lengths.quantile("other", 0.95, 1000) == 553
    clock.now += FORGET_S + 1
    assert lengths.quantile("kind", 0.5, 1000) == 128


def test_kinds_are_bounded() -> None:
    lengths = AnswerLengths(Clock())
    for kind in range(3 * MAX_KINDS):
        lengths.record(str(kind), 5, cut=False)
    assert len(lengths._kinds) == MAX_KINDS


@given(
    st.lists(st.tuples(st.integers(0, 500), st.booleans()), max_size=80),
    st.integers(1, 400),
    st.integers(0, 400),
)
def test_a_quantile_is_within_the_bounds(known: list[tuple[int, bool]], cap: int, beyond: int) -> None:
    lengths = AnswerLengths(Clock())
    for tokens, cut in known:
        lengths.record("kind", tokens, cut=cut)
    beyond = min(beyond, cap)
    median, high = (lengths.quantile("kind", share, cap, beyond=beyond) for share in (0.5, 0.95))
    assert min(cap, beyond + 1) <= median <= high <= cap


def test_ratios_correct_what_is_predicted() -> None:
    clock = Clock()
    residuals = Residuals(clock)
    assert (residuals.factor(Key("a"), 0.5), residuals.factor(Key("a"), 0.95)) == (1.0, 1.25)
    for percent in range(108, 140):
        residuals.record(Key("a"), 1.0, percent / 100)
    assert residuals.factor(Key("a"), 0.5) == pytest.approx(1.24)
    assert residuals.factor(Key("a"), 0.95) == pytest.approx(1.38)
    assert residuals.factor(Key("b"), 0.5) == 1.0
    clock.now += 1000
    assert residuals.factor(Key("a"), 0.5) == 1.0


def test_one_absurd_ratio_is_bounded() -> None:
    residuals = Residuals(Clock())
    for _ in range(6):
        residuals.record(Key("a"), 1e-9, 1e9)
    residuals.record(Key("a"), 0.0, 1.0)
    assert residuals.factor(Key("a"), 0.5) == 16.0


def test_a_prefix_is_expected_from_the_cache() -> None:
    guess = PrefixGuess(1000)
    assert guess.num_cached([1] * 20, "") == 0
    guess.add(Submit(0, [*range(50)], 1))
    assert guess.num_cached([*range(30), 7], "") == 30
    assert guess.num_cached([*range(50)], "") == 49
    assert guess.num_cached([*range(5), 7, 7, 7, 7], "") == 0


def test_nothing_is_expected_from_what_others_asked() -> None:
    guess = PrefixGuess(1000)
    guess.add(Submit(0, [*range(50)], 1, scope="principal a"))
    assert guess.num_cached([*range(50)], "principal b") == 0
    assert guess.num_cached([*range(50)], "principal a") == 49


def test_many_prompts_of_one_scope_push_out_no_others() -> None:
    guess = PrefixGuess(1000)
    guess.add(Submit(0, [*range(50)], 1, scope="principal a"))
    for number in range(100):
        guess.add(Submit(0, [number] * 90, 1, scope="principal b"))
    assert guess.num_cached([*range(50)], "principal a") == 49
    assert guess.num_cached([99] * 90, "principal b") == 89


@given(st.lists(st.tuples(st.integers(0, 2 * MAX_SCOPES), st.integers(1, 300)), max_size=600))
@settings(max_examples=examples(20))
def test_what_is_remembered_is_bounded(prompts: list[tuple[int, int]]) -> None:
    guess = PrefixGuess(1000)
    for scope, length in prompts:
        guess.add(Submit(0, [7] * length, 1, scope=str(scope)))
        kept = [each.num_tokens for each in guess._scopes.values()]
        assert sum(kept) == guess._num_tokens <= 1000
        assert len(kept) <= MAX_SCOPES
        assert all(len(each) <= MAX_PROMPTS for each in guess._scopes.values())


def test_prompts_are_forgotten() -> None:
    guess = PrefixGuess(1000)
    for number in range(3 * MAX_PROMPTS):
        guess.add(Submit(0, [number] * 100, 1))
    assert len(guess._scopes[""]) == 10
    assert guess.num_cached([0] * 100, "") == 0


def test_where_too_little_was_seen_the_nearest_level_tells() -> None:
    residuals = Residuals(Clock())
    for _ in range(6):
        residuals.record(Key("a", 2), 1.0, 3.0)
        residuals.record(Key("a", 4), 1.0, 5.0)
    found = [residuals.factor(Key("a", level), 0.5) for level in range(8)]
    assert found == [3.0, 3.0, 3.0, 3.0, 5.0, 5.0, 5.0, 1.0]
    residuals.record(Key("a", 3), 1.0, 4.0)
    assert residuals.factor(Key("a", 3), 0.5) == 3.0, "one is too little"
