"""Guesses from a sequence's own tokens."""

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.harness import Harness
from xapp.domain.messages import FinishReason, Ngram, SamplingParams
from xapp.engine.strategies.decode import DECODE
from xapp.engine.strategies.ngram import NgramProposer
from xapp.engine.strategies.speculate import Speculate


def plain(tokens: list[int], most: int, size: int) -> list[int]:
    """What followed the last place where the last `size` tokens stood, gone round at the end."""
    places = [end for end in range(size, len(tokens)) if tokens[end - size : end] == tokens[-size:]]
    if len(tokens) < size or not places:
        return []
    followed = tokens[places[-1] :]
    return [followed[index % len(followed)] for index in range(most)]


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 8), st.integers(1, 4), st.data())
def test_a_table_that_grows_guesses_what_a_plain_search_finds(
    tokens: list[int], most: int, size: int, data: st.DataObject
) -> None:
    proposer, read = NgramProposer(size), 0
    while read < len(tokens):
        read = data.draw(st.integers(read + 1, len(tokens)))
        assert proposer.propose(tokens[:read], most) == plain(tokens[:read], most, size)


def test_large_tokens_that_share_a_key_cost_a_wrong_guess_at_most() -> None:
    big = 1 << 30
    assert NgramProposer(2).propose([big, 1, 5, big + 1, 1], 2) in ([], [5, big + 1])


def test_one_sequence_s_tokens_are_no_guess_of_another_s() -> None:
    first, second = NgramProposer(), NgramProposer()
    first.propose([1, 2, 3, 4, 1, 2, 3], 4)
    assert second.propose([1, 2, 3], 4) == []


def strategy_of(harness: Harness, **fields: object) -> object:
    answer = harness.submit([1, 2, 3] * 10, 20, **fields)
    strategy = harness.engine._sequences[answer.request.request_id].strategy
    harness.drain()
    return strategy


def test_only_a_request_that_asks_for_it_is_speculated_on() -> None:
    assert strategy_of(Harness()) is DECODE
    assert isinstance(strategy_of(Harness(), strategy=Ngram()), Speculate)


def test_what_cannot_take_a_draft_back_is_decoded_plainly() -> None:
    assert strategy_of(Harness(), strategy=Ngram(), deterministic=True) is DECODE
    whole = Harness(shares_prefixes=False, prefix_cache=False)
    assert strategy_of(whole, strategy=Ngram()) is DECODE


def test_an_answer_that_repeats_itself_takes_fewer_steps_and_says_so() -> None:
    """The fake's steps cost 10 ms and 3 a token: three right guesses nearly pay for a second step."""
    harness = Harness(max_batch=64)
    harness.backend._rule = lambda tokens: 50 + len(tokens) % 5
    answer = harness.submit([7] * 20, 200, strategy=Ngram())
    while harness.engine.has_work:
        harness.step()
    assert answer.tokens == [50 + (20 + place) % 5 for place in range(200)]
    finished = answer.finished
    assert finished is not None
    assert finished.reason is FinishReason.LENGTH
    assert finished.num_drafted >= finished.num_accepted > 120
    assert len(harness.plans) < 80


def test_an_answer_that_never_repeats_is_hardly_ever_drafted() -> None:
    harness = Harness(cells=2048)
    answer = harness.submit(list(range(100)), 400, ignore_eos=True, strategy=Ngram())
    harness.drain()
    assert answer.finished is not None
    assert answer.finished.num_drafted <= 8


def test_drawn_answers_are_those_of_their_seed() -> None:
    sampling = SamplingParams(temperature=1.0, seed=3)
    for strategy in (None, Ngram(4)):
        harness = Harness()
        harness.submit([1, 2, 3] * 10, 40, ignore_eos=True, sampling=sampling, strategy=strategy)
        harness.drain()
