"""Drafts under drawn sampling keep the model's distribution: Pearson's chi-square over all short answers."""

import random
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence as Tokens
from itertools import product

import pytest

from tests.engine.drafting import Always
from tests.engine.harness import Harness
from xapp.backend.fake_draft import FakeDraft
from xapp.engine.drafts import Drafts
from xapp.engine.kv_cache import KVCache
from xapp.engine.strategies.draft import DraftProposer
from xapp.engine.strategies.ngram import NgramProposer
from xapp.engine.strategies.source import Proposer, Source
from xapp.engine.strategies.speculate import Speculate

VOCABULARY = (1, 2, 3)
LENGTH = 3
ANSWERS = list(product(VOCABULARY, repeat=LENGTH))
RUNS = 1200
PROMPT = [1, 2, 3, 1, 1, 2]
BOUND = 54.1
"""The 0.999 quantile of the chi-square distribution with 26 degrees of freedom. The seeds are fixed."""


def weights(tokens: Tokens[int]) -> list[int]:
    """The model: the next token depends on the last two."""
    return [1 + (3 * tokens[-1] + 5 * tokens[-2] + 7 * token) % 9 for token in VOCABULARY]


def likeliest(tokens: Tokens[int]) -> int:
    return max(zip(weights(tokens), VOCABULARY, strict=True))[1]


def probability(answer: Tokens[int]) -> float:
    tokens, found = list(PROMPT), 1.0
    for token in answer:
        each = weights(tokens)
        found *= each[VOCABULARY.index(token)] / sum(each)
        tokens.append(token)
    return found


def chi_square(proposer: Callable[[], Proposer], drawn: Callable[[Tokens[int]], int]) -> tuple[float, int]:
    """Over RUNS answers with drafts; and how many drafts were accepted."""

    def strategy(cache: KVCache) -> Speculate:
        return Speculate(cache, Source(proposer(), Always(), 2))

    harness = Harness(slots=4, prefix_cache=False, strategy=strategy)
    harness.backend._rule = drawn
    answers = []
    for _ in range(RUNS // 4):
        answers += [harness.submit(PROMPT, LENGTH, ignore_eos=True) for _ in range(4)]
        while harness.engine.has_work:
            harness.step()
    seen = Counter(tuple(answer.tokens) for answer in answers)
    accepted = sum(answer.finished.num_accepted for answer in answers if answer.finished)
    assert set(seen) <= set(ANSWERS)
    return sum(
        (seen[each] - (wanted := RUNS * probability(each))) ** 2 / wanted for each in ANSWERS
    ), accepted


def model(seed: int) -> Callable[[Tokens[int]], int]:
    generator = random.Random(seed)
    return lambda tokens: generator.choices(VOCABULARY, weights(tokens))[0]


DRAFT_MODELS: dict[str, Callable[[Tokens[int]], int]] = {
    "a draft model that agrees": likeliest,
    "a draft model that differs": lambda tokens: 1 + tokens[-1] % 3,
    "a draft model that always says the same": lambda _: 2,
}


@pytest.mark.parametrize("name", DRAFT_MODELS)
def test_with_a_draft_model(name: str) -> None:
    drafts = Drafts(FakeDraft(DRAFT_MODELS[name], num_sequences=8))
    found, accepted = chi_square(lambda: DraftProposer(drafts), model(7))
    assert found < BOUND
    assert accepted > RUNS / 12


def test_with_n_grams() -> None:
    found, accepted = chi_square(lambda: NgramProposer(1), model(11))
    assert found < BOUND
    assert accepted > RUNS / 12


def test_a_model_that_lets_its_drafts_win_is_found() -> None:
    """The test itself: where a draft decides, the distribution is another."""
    honest = model(7)
    biased = random.Random(3)

    def drawn(tokens: Tokens[int]) -> int:
        return likeliest(tokens) if biased.random() < 0.1 else honest(tokens)

    found, _ = chi_square(lambda: NgramProposer(1), drawn)
    assert found > BOUND
