"""NgramProposer: proposes the tokens that followed the last few tokens at an earlier place.

Summaries, answers from given text, code and lists repeat parts of their prompt or of themselves. The table
belongs to one sequence: no caller's text becomes another caller's draft.
"""

from xapp.engine.strategies.guess import NO_GUESS, NUM_KINDS, Guess

SIZE = 2
"""Length of the shortest run that must match. The acceptance rate of each length is learned."""
LONGEST = 16
"""Tokens that are compared: a longer match says no more."""
MAX_PLACES = 16
"""Earlier places that are compared for a guess, the latest first."""
_BITS = 21
"""Bits of a token in a key. Larger vocabularies share keys, which costs wrong guesses only."""
_NOWHERE = -1
_KINDS = [min(NUM_KINDS - 1, length.bit_length() - 1) for length in range(LONGEST + 1)]
"""The kind of a guess by the length of its match: 2 and 3 are alike, 4 to 7, 8 to 15, more."""


class NgramProposer:
    """A Proposer. The longest match wins, and of equal matches the latest.

    It remembers the places behind each run of `size` tokens, linked to a list: two entries a token.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._mask = (1 << size * _BITS) - 1
        self._latest: dict[int, int] = {}
        """The latest place behind each run, by the key of the run."""
        self._before: list[int] = []
        """For each place, the place before it with the same key."""
        self._key = 0
        self._followed = _NOWHERE
        """The place of the last guess, with the number of tokens at that time."""
        self._num_then = 0

    def propose(self, tokens: list[int], most: int) -> Guess:
        """The tokens that followed. Where they reach the end of `tokens`, they repeat."""
        self._read(tokens)
        place, length = self._best(tokens)
        if place == _NOWHERE:
            return NO_GUESS
        self._followed, self._num_then = place, len(tokens)
        guesses = tokens[place : place + most]
        while len(guesses) < most:
            guesses += guesses[: most - len(guesses)]
        return Guess(guesses, [_KINDS[min(length + count, LONGEST)] for count in range(most)])

    def cost_s(self, num_tokens: int, count: int) -> float:
        """See Proposer."""
        return 0.0

    def close(self) -> None:
        """Keeps the table, which is the sequence's own."""

    def _read(self, tokens: list[int]) -> None:
        """Learns from tokens not read before. Afterwards `_key` is the key of the last run."""
        key, mask, latest, before = self._key, self._mask, self._latest, self._before
        for place in range(len(before), len(tokens)):
            before.append(latest.get(key, _NOWHERE))
            if place >= self._size:
                latest[key] = place
            key = (key << _BITS ^ tokens[place]) & mask
        self._key = key

    def _best(self, tokens: list[int]) -> tuple[int, int]:
        """The place with the longest match, and the length of the match."""
        best, longest = _NOWHERE, self._size - 1
        for place in self._places(tokens):
            length = _common_end(tokens, place)
            if length > longest:
                best, longest = place, length
                if length == LONGEST:
                    break
        return best, longest

    def _places(self, tokens: list[int]) -> list[int]:
        """Places to compare. The place behind the last guess is the first: a long passage may have begun
        farther back than the others.
        """
        places = []
        if self._followed != _NOWHERE:
            places.append(self._followed + len(tokens) - self._num_then)
        place = self._latest.get(self._key, _NOWHERE) if len(tokens) >= self._size else _NOWHERE
        while place != _NOWHERE and len(places) < MAX_PLACES:
            places.append(place)
            place = self._before[place]
        return places


def _common_end(tokens: list[int], place: int) -> int:
    """How many tokens before `place` equal those before the end of `tokens`, LONGEST at most."""
    end = len(tokens)
    most = min(LONGEST, place)
    length = 0
    while length < most and tokens[place - 1 - length] == tokens[end - 1 - length]:
        length += 1
    return length
