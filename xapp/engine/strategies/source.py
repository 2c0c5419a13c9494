"""Source: guesses of one sequence from one proposer, as many as pay."""

from collections.abc import Callable
from typing import Protocol

from xapp.backend.base import Batch
from xapp.engine.strategies.guess import NO_GUESS, Guess


class Proposer(Protocol):
    """Makes guesses. A proposer belongs to one sequence, so that no text reaches another sequence."""

    def propose(self, tokens: list[int], most: int) -> Guess:
        """At most `most` tokens that may follow `tokens`, which only grows. NO_GUESS without a guess."""
        ...

    def cost_s(self, num_tokens: int, count: int) -> float:
        """Predicted seconds that `count` guesses behind `num_tokens` tokens take; 0 where that is nothing
        beside a step.
        """
        ...

    def close(self) -> None:
        """Gives back what the proposer holds. It may be asked again afterwards."""
        ...


class DraftLength(Protocol):
    """The number of drafts to compute. The sequence puts its last token into the batch, at `position`."""

    def worth(self, batch: Batch, position: int, most: int, cost_of: Callable[[int], float]) -> int:
        """The number of guesses to ask for, at most `most`. Making so many takes `cost_of` seconds."""
        ...

    def choose(self, batch: Batch, position: int, kinds: list[int]) -> int:
        """The number of drafts to compute, of guesses of these kinds."""
        ...

    def price(self, batch: Batch, position: int, count: int, cost_s: float) -> float:
        """The time of the step with `count` drafts that took `cost_s` to make, divided by its time without
        them.
        """
        ...

    def learn(self, num_right: int, kinds: list[int]) -> None:
        """Called after each step with the kinds of the tested guesses: the first `num_right` were right."""
        ...


class Source:
    """Guesses that do not pay are not computed. Where guesses are free, each first guess is still compared
    with the drawn token, so that drafts start again when they pay.
    """

    def __init__(self, proposer: Proposer, length: DraftLength, most: int) -> None:
        self.proposer = proposer
        self._length = length
        self._max_drafts = most
        self._guess = NO_GUESS
        self._cost_s = 0.0

    def forget(self) -> None:
        """There is no guess for the coming step."""
        self._guess, self._cost_s = NO_GUESS, 0.0

    def drafts(self, tokens: list[int], batch: Batch, position: int, most: int) -> list[int]:
        """At most `most` drafts to compute behind `tokens`."""
        self.forget()
        most = min(most, self._max_drafts)
        asked = self._num_asked(len(tokens), batch, position, most)
        if not asked:
            return []
        self._cost_s = self.proposer.cost_s(len(tokens), asked)
        guess = self._guess = self.proposer.propose(tokens, asked)
        if most < 1 or not guess.tokens:
            return []
        return guess.tokens[: self._length.choose(batch, position, guess.kinds[:most])]

    def _num_asked(self, num_tokens: int, batch: Batch, position: int, most: int) -> int:
        if not self.proposer.cost_s(num_tokens, 1):
            return max(1, most)
        if most < 1:
            return 0
        return self._length.worth(
            batch, position, most, lambda count: self.proposer.cost_s(num_tokens, count)
        )

    def price(self, batch: Batch, position: int, count: int) -> float:
        """The time of the step with these drafts, divided by its time without drafts."""
        if not count and not self._cost_s:
            return 1.0
        return self._length.price(batch, position, count, self._cost_s)

    def learn(self, accepted: list[int]) -> None:
        """A guess that was not computed is tested by the drawn token as well, up to the first wrong guess."""
        guesses, kinds = self._guess
        num_tested = min(len(guesses), len(accepted))
        pairs = zip(guesses[:num_tested], accepted, strict=False)
        num_right = next((place for place, (guess, token) in enumerate(pairs) if guess != token), num_tested)
        self._length.learn(num_right, kinds[: min(num_tested, num_right + 1)])
