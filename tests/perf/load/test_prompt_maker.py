"""Prompts have exactly the length asked for, whatever the tokenizer, and share no start."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.load.prompt_maker import PromptError, Prompts, number_text
from tests.perf.virtual import run
from tests.scale import examples


class Tokenizer:
    """Cuts text by a pattern; `calls` counts what it was asked."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self.calls = 0

    async def count(self, text: str) -> int:
        self.calls += 1
        return len(self._pattern.findall(text))


DIGIT_BY_DIGIT = r"\d| ?[a-z]{1,5}|[^\d\sa-z]|\s"
THREE_DIGITS = r"\d{1,3}| ?[A-Za-z]+|[^\w\s]|\s"
# 5 joins the digit before it: the count depends on the digits.
UNEVEN = r"\d5?| ?[a-z]+|[^\w\s]|\s"


@settings(max_examples=examples(60))
@given(
    length=st.integers(16, 400),
    number=st.integers(0, 2**40),
    pattern=st.sampled_from([DIGIT_BY_DIGIT, THREE_DIGITS, UNEVEN]),
)
def test_the_length_is_exact(length: int, number: int, pattern: str) -> None:
    tokenizer = Tokenizer(pattern)
    text = run(Prompts(tokenizer.count).make(length, number))
    assert run(tokenizer.count(text)) == length


def test_prompts_of_one_length_cost_no_calls_after_the_first() -> None:
    tokenizer = Tokenizer(DIGIT_BY_DIGIT)
    prompts = Prompts(tokenizer.count)
    run(prompts.make(64, 1))
    calls = tokenizer.calls
    found = {run(prompts.make(64, number)) for number in range(2, 100)}
    assert len(found) == 98
    assert tokenizer.calls == calls


@given(st.integers(0, 10**7 - 2))
def test_neighbours_differ_from_the_first_digit_on(number: int) -> None:
    assert number_text(number)[0] != number_text(number + 1)[0]


def test_a_shared_prefix_is_shared_and_no_more() -> None:
    tokenizer = Tokenizer(THREE_DIGITS)
    prompts = Prompts(tokenizer.count, shared_prefix=50)
    one, two = run(prompts.make(120, 1)), run(prompts.make(120, 2))
    shared = one[: next(index for index in range(len(one)) if one[index] != two[index])]
    assert 45 <= run(tokenizer.count(shared)) <= 50
    assert run(tokenizer.count(one)) == run(tokenizer.count(two)) == 120


def test_too_short_is_said() -> None:
    with pytest.raises(PromptError, match="at least 8 tokens"):
        run(Prompts(Tokenizer(DIGIT_BY_DIGIT).count).make(5, 1))


def test_a_tokenizer_that_counts_in_twos_is_said() -> None:
    async def even(text: str) -> int:
        return 2 * len(text.split())

    with pytest.raises(PromptError, match="exactly 33"):
        run(Prompts(even).make(33, 1))
