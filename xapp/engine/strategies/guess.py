"""Guess: tokens that may follow, with what is known of their likelihood."""

from typing import NamedTuple

NUM_KINDS = 6
"""Kinds of guessed tokens. A kind is a number from 0, the least likely, to NUM_KINDS - 1."""


class Guess(NamedTuple):
    """Guessed tokens in order. Tokens of one kind are about equally likely: a proposer that has a measure of
    its own confidence states the kind, and the acceptance rate of each kind is learned.
    """

    tokens: list[int]
    kinds: list[int]


NO_GUESS = Guess([], [])
