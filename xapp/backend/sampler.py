"""Sampler: draws the tokens of one sequence. Each backend has samplers of its own."""

import enum
from typing import Protocol


class Outcome(enum.Enum):
    """What the last drawn token means for the answer."""

    OPEN = enum.auto()
    """The answer goes on."""
    COMPLETE = enum.auto()
    """The answer is complete: its grammar allows no further token."""
    STUCK = enum.auto()
    """The grammar took too much work, or allows no token. The last drawn token does not count."""


class Sampler(Protocol):
    """Draws tokens for one sequence, and keeps the state that its parameters need. The backend knows how
    each of its samplers draws.
    """

    @property
    def outcome(self) -> Outcome:
        """Always OPEN without a grammar."""
        ...

    def accept(self, token: int) -> bool:
        """Takes a token that was chosen elsewhere, as if it had been drawn, but without random numbers.

        False where the grammar does not allow the token. Nothing has changed then.
        """
        ...

    def mark(self) -> object:
        """The present state: penalties, position in the grammar, random numbers. It takes memory."""
        ...

    def rollback(self, mark: object) -> None:
        """Returns to a mark of this sampler, as if no token had been drawn or accepted since. A mark may be
        used several times.
        """
        ...

    def close(self) -> None:
        """Frees native memory. Safe to call twice."""
        ...


class StatelessSampler:
    """A sampler without state: for the plain argmax, and for sequences that draw nothing."""

    outcome = Outcome.OPEN

    def accept(self, token: int) -> bool:
        """Allows every token."""
        return True

    def mark(self) -> object:
        """The only state."""
        return None

    def rollback(self, mark: object) -> None:
        """Changes nothing."""

    def close(self) -> None:
        """Nothing to free."""


NO_SAMPLER = StatelessSampler()
"""The sampler of a sequence that is not admitted yet, or draws nothing."""
