"""NgramProposer: proposes the tokens that followed the last few tokens at an earlier place.

Summaries, answers from given text, code and lists repeat parts of their prompt or of themselves. The table
belongs to one sequence: no caller's text becomes another caller's draft.
"""

SIZE = 3
"""Length of the run that must match. A shorter run gives more guesses, and fewer of them are right."""
_BITS = 21
"""Bits of a token in a key. Larger vocabularies share keys, which costs wrong guesses only."""


class NgramProposer:
    """A Proposer. It remembers the last place behind each run of `size` tokens: one entry a token."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._mask = (1 << size * _BITS) - 1
        self._followed: dict[int, int] = {}
        self._key = 0
        self._num_read = 0

    def propose(self, tokens: list[int], most: int) -> list[int]:
        """The tokens that followed. Where they reach the end of `tokens`, they repeat."""
        self._read(tokens)
        place = self._followed.get(self._key)
        if place is None or len(tokens) < self._size:
            return []
        guesses = tokens[place : place + most]
        while len(guesses) < most:
            guesses += guesses[: most - len(guesses)]
        return guesses

    def _read(self, tokens: list[int]) -> None:
        """Learns from tokens not read before. Afterwards `_key` is the key of the last run."""
        key, mask, followed = self._key, self._mask, self._followed
        for place in range(self._num_read, len(tokens)):
            if place >= self._size:
                followed[key] = place
            key = (key << _BITS ^ tokens[place]) & mask
        self._key, self._num_read = key, len(tokens)
