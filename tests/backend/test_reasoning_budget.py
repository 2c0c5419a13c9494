"""Reasoning ends after its budget, and nothing else is touched."""

import pytest

from xapp.backend.base import StatelessSampler
from xapp.backend.reasoning_budget import CLOSING, ReasoningBudget, closing_tokens

CLOSE = CLOSING.decode()


def said(wanted: str, budget: int, prompt: str = "go") -> str:
    """An answer, a byte a token, of a model that wants to say this; it goes on behind what is forced."""
    sampler = ReasoningBudget(
        StatelessSampler(), lambda token: bytes([token]), list(CLOSING), budget=budget, prompt=prompt.encode()
    )
    answer, rest = bytearray(), list(wanted.encode())
    while rest:
        forced = sampler.forced()
        token = rest.pop(0) if forced is None else forced
        sampler.take(token)
        answer.append(token)
    while (forced := sampler.forced()) is not None:
        sampler.take(forced)
        answer.append(forced)
    return answer.decode()


ANSWERS = [
    ("<think>abc</think>yes", 100, "go", "<think>abc</think>yes"),
    ("<think>abcdef", 3, "go", f"<think>abc{CLOSE}def"),
    ("\n<think>abcdef", 0, "go", f"\n<think>{CLOSE}abcdef"),
    ("abcdef", 3, "go<think>\n", f"abc{CLOSE}def"),
    ("ab</think>def", 11, "go<think>", "ab</think>def"),
    ("yes <think>abcdef", 3, "go", "yes <think>abcdef"),
    ("<thin", 0, "go", "<thin"),
    ("abcdef", 3, "go<think>a", "abcdef"),
]


@pytest.mark.parametrize(("wanted", "budget", "prompt", "expected"), ANSWERS)
def test_the_budget(wanted: str, budget: int, prompt: str, expected: str) -> None:
    assert said(wanted, budget, prompt) == expected


def test_a_mark_goes_back() -> None:
    sampler = ReasoningBudget(
        StatelessSampler(), lambda token: bytes([token]), list(CLOSING), budget=2, prompt=b"<think>"
    )
    mark = sampler.mark()
    for token in b"ab":
        assert sampler.accept(token)
    assert sampler.forced() == CLOSING[0]
    sampler.rollback(mark)
    assert sampler.forced() is None


def test_the_tokens_of_the_end() -> None:
    assert closing_tokens([b"a", b"</think>", b"\n", b"\n\n", b"</"]) == [1, 3]
    assert closing_tokens([bytes([byte]) for byte in range(256)]) == list(CLOSING)
    assert closing_tokens([b"a", b"</think>"]) == []
