"""NgramProposer: what followed the last few tokens earlier may follow them again.

Summaries, answers from given text, code and lists repeat what is in their prompt, or what they said before.
The table belongs to one sequence: no caller's text becomes another caller's draft.
"""

SIZE = 3
"""Tokens that must be the same. With fewer there are more guesses, and fewer of them are right."""
_BITS = 21
"""Of a token in a key. Larger vocabularies share keys, which costs a wrong guess and nothing else."""


class NgramProposer:
    """See Proposer. It remembers where each run of `size` tokens was last followed: an entry a token."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._mask = (1 << size * _BITS) - 1
        self._followed: dict[int, int] = {}
        self._key = 0
        self._num_read = 0

    def propose(self, tokens: list[int], most: int) -> list[int]:
        """What followed; where that reaches the end of the tokens it goes round."""
        self._read(tokens)
        place = self._followed.get(self._key)
        if place is None or len(tokens) < self._size:
            return []
        guesses = tokens[place : place + most]
        while len(guesses) < most:
            guesses += guesses[: most - len(guesses)]
        return guesses

    def _read(self, tokens: list[int]) -> None:
        """Learns what followed the tokens read before; `_key` is that of the last ones afterwards."""
        key, mask, followed = self._key, self._mask, self._followed
        for place in range(self._num_read, len(tokens)):
            if place >= self._size:
                followed[key] = place
            key = (key << _BITS ^ tokens[place]) & mask
        self._key, self._num_read = key, len(tokens)
