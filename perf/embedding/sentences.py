"""Texts of a known length, made of words that every English vocabulary has as single tokens."""

import random

WORDS = [
    "the",
    "cell",
    "is",
    "down",
    "and",
    "its",
    "load",
    "was",
    "high",
    "when",
    "a",
    "call",
    "came",
    "from",
    "the",
    "station",
    "near",
    "the",
    "river",
    "so",
    "we",
    "had",
    "to",
    "find",
    "out",
    "why",
    "it",
    "was",
    "slow",
    "at",
    "night",
    "but",
    "not",
    "in",
    "the",
    "day",
    "then",
    "they",
    "said",
    "that",
    "all",
    "of",
    "them",
    "are",
    "fine",
    "now",
]
SPECIAL_TOKENS = 2
"""What a model of BERT's kind puts around a text."""


def sentences(count: int, num_tokens: int, seed: int) -> list[str]:
    """So many texts of so many tokens, special tokens included."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=num_tokens - SPECIAL_TOKENS)) for _ in range(count)]
