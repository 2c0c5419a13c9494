"""Drafts: lends the sequence ids and cells of a draft model to sequences, and measures what a guess takes."""

from collections.abc import Callable
from time import monotonic

from xapp.backend.draft_model import DraftModel

GAIN = 0.1
"""Weight of the last measurement of a time."""


class Drafts:
    """A sequence without an id, or without cells, gets no guesses: ids and cells go to those that came first.

    `clock`: seconds.
    """

    def __init__(self, model: DraftModel, clock: Callable[[], float] = monotonic) -> None:
        self._model = model
        self._clock = clock
        self._free_ids = list(range(model.num_sequences - 1, -1, -1))
        self._lengths = [0] * model.num_sequences
        self.token_s = model.token_s
        self.prompt_token_s = model.prompt_token_s

    @property
    def used(self) -> int:
        """Cells with content."""
        return sum(self._lengths)

    def lend(self) -> int | None:
        """A sequence id, or None."""
        return self._free_ids.pop() if self._free_ids else None

    def give_back(self, seq_id: int) -> None:
        """Frees an id and its cells."""
        self.cut(seq_id, 0)
        self._free_ids.append(seq_id)

    def has_room(self, seq_id: int, count: int) -> bool:
        """Whether so many tokens more fit."""
        fits = self._lengths[seq_id] + count <= self._model.context_length
        return fits and self.used + count <= self._model.num_cells

    def cut(self, seq_id: int, length: int) -> None:
        """Keeps the first `length` cells."""
        if length < self._lengths[seq_id]:
            self._model.remove(seq_id, length)
            self._lengths[seq_id] = length

    def read(self, seq_id: int, tokens: list[int]) -> None:
        """Computes tokens behind those that the id has."""
        began = self._clock()
        self._model.read(seq_id, tokens, self._lengths[seq_id])
        self._lengths[seq_id] += len(tokens)
        self.prompt_token_s += GAIN * ((self._clock() - began) / len(tokens) - self.prompt_token_s)

    def guess(self, seq_id: int, token: int, most: int) -> list[tuple[int, float]]:
        """The continuation behind `token`, which is the next token. At least one guess."""
        began = self._clock()
        found = self._model.guess(seq_id, token, self._lengths[seq_id], most)
        self._lengths[seq_id] += len(found)
        self.token_s += GAIN * ((self._clock() - began) / len(found) - self.token_s)
        return found
