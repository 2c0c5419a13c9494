"""The interface of a draft model: a smaller model with the same vocabulary, beside the model that it guesses
for. It has a context and cells of its own.
"""

from typing import Protocol


class DraftModel(Protocol):
    """One model, one context of `num_cells` cells, sequence ids from 0 to `num_sequences` - 1. It is used by
    the thread of its Backend.
    """

    @property
    def num_sequences(self) -> int:
        """Sequences that it can guess for at once."""
        ...

    @property
    def num_cells(self) -> int:
        """Tokens that it can keep, of all sequences together."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens of one sequence that it is made for."""
        ...

    @property
    def token_s(self) -> float:
        """Seconds of a guess, measured at the load."""
        ...

    @property
    def prompt_token_s(self) -> float:
        """Seconds of a token of a prompt, measured at the load."""
        ...

    def read(self, seq_id: int, tokens: list[int], start: int) -> None:
        """Computes the cells of tokens from position `start` on. Raises DecodeError."""
        ...

    def guess(self, seq_id: int, token: int, position: int, most: int) -> list[tuple[int, float]]:
        """The likeliest continuation of a sequence, with the probability of each token. `token` stands at
        `position` and has no cell yet. Afterwards it and all guesses but the last have cells.

        Ends early at a guess that is unlikely. Raises DecodeError.
        """
        ...

    def remove(self, seq_id: int, start: int = 0) -> None:
        """Removes positions from `start` on."""
        ...
