"""Turns: which of the running sequences have a part in the next step.

A critical prompt is computed alone: the others stand still meanwhile, for a second at a time. A sequence that
is computed apart takes turns with those that are not: its own step, a step of theirs.
"""

from xapp.domain.messages import Priority
from xapp.engine.sequence import Sequence, Status

STALL_LIMIT_S = 1.0
"""So long the others stand still for critical prompts; then they take part in one step."""


class Turns:
    """Of one scheduler; `now` is on CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._alone_since: float | None = None
        self._apart_is_next = False

    def moving(self, running: list[Sequence], now: float) -> list[Sequence]:
        """Those that get on, in order; while critical prompts are computed, only those of that class."""
        if not any(_is_critical_prompt(each) for each in running):
            self._alone_since = None
            return running
        if self._alone_since is None:
            self._alone_since = now
        if now - self._alone_since < STALL_LIMIT_S:
            return [each for each in running if is_critical(each)]
        self._alone_since = None
        first = next((each for each in running if _is_lower_prompt(each)), None)
        others = [each for each in running if each is not first]
        return others if first is None else [first, *others]

    def split(self, moving: list[Sequence], apart: Sequence | None) -> tuple[list[Sequence], Sequence | None]:
        """Those that may share the next step, and the one that has it for itself where they do not.

        `apart` is the sequence that is computed apart, if there is one, moving or not.
        """
        if apart is None or apart not in moving:
            return moving, None
        if self._apart_is_next:
            return [], apart
        return [each for each in moving if each is not apart], apart

    def took(self, *, apart: bool) -> None:
        """Who has the next step for itself, or not."""
        self._apart_is_next = not apart


def is_critical(sequence: Sequence) -> bool:
    """Whether others make way for its prompt."""
    return sequence.request.priority is Priority.CRITICAL


def _is_critical_prompt(sequence: Sequence) -> bool:
    return sequence.status is not Status.DECODE and is_critical(sequence)


def _is_lower_prompt(sequence: Sequence) -> bool:
    return not is_critical(sequence) and sequence.status is not Status.DECODE
