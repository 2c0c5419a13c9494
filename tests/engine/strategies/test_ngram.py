"""Guesses from a sequence's own tokens."""

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.harness import Harness
from xapp.domain.decoding import PLAIN, Auto, Ngram
from xapp.domain.messages import FinishReason, SamplingParams
from xapp.engine.strategies.decode import DECODE
from xapp.engine.strategies.guess import NO_GUESS
from xapp.engine.strategies.ngram import LONGEST, MAX_PLACES, NgramProposer
from xapp.engine.strategies.speculate import Speculate


def match(tokens: list[int], place: int) -> int:
    """How many tokens before the place equal the last tokens."""
    most = min(place, LONGEST)
    return next((n for n in range(most) if tokens[place - 1 - n] != tokens[-1 - n]), most)


def plain(tokens: list[int], most: int, size: int) -> list[list[int]]:
    """The tokens behind each of the places with the longest match, gone round at the end."""
    lengths = [match(tokens, place) for place in range(len(tokens))]
    best = max(lengths, default=0)
    if best < size:
        return [[]]
    followed = [tokens[place:] for place, length in enumerate(lengths) if length == best]
    return [[each[index % len(each)] for index in range(most)] for each in followed]


@given(st.lists(st.integers(0, 2), max_size=MAX_PLACES), st.integers(1, 8), st.integers(1, 4), st.data())
def test_a_table_that_grows_guesses_what_a_plain_search_finds(
    tokens: list[int], most: int, size: int, data: st.DataObject
) -> None:
    proposer, read = NgramProposer(size), 0
    while read < len(tokens):
        read = data.draw(st.integers(read + 1, len(tokens)))
        guess = proposer.propose(tokens[:read], most)
        assert guess.tokens in plain(tokens[:read], most, size)
        assert len(guess.tokens) == len(guess.kinds)
        assert guess.kinds == sorted(guess.kinds)


def test_the_longest_match_wins_over_a_later_one() -> None:
    tokens = [1, 2, 3, 4, 50, 9, 3, 4, 60, 1, 2, 3, 4]
    assert NgramProposer().propose(tokens, 1).tokens == [50]


def test_a_passage_is_followed_though_many_later_places_match_its_last_tokens() -> None:
    passage = [7, 8, *range(20, 40)]
    proposer = NgramProposer()
    tokens = [*passage, *([21, 22, 0] * 3 * MAX_PLACES), 7, 8]
    for wanted in passage[2:]:
        assert proposer.propose(tokens, 1).tokens == [wanted]
        tokens.append(wanted)


def test_a_guess_is_bounded_however_often_its_run_was_there() -> None:
    proposer = NgramProposer()
    tokens = [1, 2, 3] * 5000
    assert len(proposer._places(tokens)) <= MAX_PLACES
    assert len(proposer.propose(tokens, 8).tokens) == 8


def test_large_tokens_that_share_a_key_cost_a_wrong_guess_at_most() -> None:
    big = 1 << 30
    assert NgramProposer(2).propose([big, 1, 5, big + 1, 1], 2).tokens in ([], [5, big + 1])


def test_one_sequence_s_tokens_are_no_guess_of_another_s() -> None:
    first, second = NgramProposer(), NgramProposer()
    first.propose([1, 2, 3, 4, 1, 2, 3], 4)
    assert second.propose([1, 2, 3], 4) == NO_GUESS


def test_no_draft_holds_a_token_that_only_another_sequence_has() -> None:
    """Two callers side by side in one worker, the second begins as the first went on."""
    harness = Harness(slots=2, max_batch=64)
    harness.backend._rule = lambda tokens: tokens[0] + len(tokens) % 5
    for first in (10, 100):
        harness.submit([first, 1, 2, 3] * 8, 60, ignore_eos=True, strategy=Ngram())
    seen = []
    while harness.engine.has_work:
        harness.step()
        batch = harness.plans[-1].batch
        seen += [(batch.seq_ids[index], batch.tokens[index]) for index in batch.drafts]
    own = {seq_id: {token for each, token in seen if each == seq_id} for seq_id, _ in seen}
    assert len(own) == 2
    low, high = sorted(own.values(), key=max)
    assert low <= {10, 11, 12, 13, 14, 1, 2, 3}
    assert high <= {100, 101, 102, 103, 104, 1, 2, 3}


def strategy_of(harness: Harness, **fields: object) -> object:
    answer = harness.submit([1, 2, 3] * 10, 20, **fields)
    strategy = harness.engine._sequences[answer.request.request_id].strategy
    harness.drain()
    return strategy


def test_only_a_request_that_asks_for_it_is_speculated_on() -> None:
    assert strategy_of(Harness()) is DECODE
    assert isinstance(strategy_of(Harness(), strategy=Ngram()), Speculate)
    assert isinstance(strategy_of(Harness(), strategy=Auto()), Speculate)


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
    for strategy in (PLAIN, Ngram(4)):
        harness = Harness()
        harness.submit([1, 2, 3] * 10, 40, ignore_eos=True, sampling=sampling, strategy=strategy)
        harness.drain()
