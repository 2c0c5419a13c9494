"""Turns: which running sequences take part in the next step.

A critical prompt is computed alone: the other sequences pause meanwhile, for a second at a time. A
deterministic sequence, which needs steps of its own, alternates with the other sequences.
"""

from xapp.domain.messages import Priority
from xapp.engine.sequence import Sequence, Status

STALL_LIMIT_S = 1.0
"""Longest pause for critical prompts, seconds. After it, the other sequences take part in one step."""


class Turns:
    """Turns of one scheduler. `now` is on CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._alone_since: float | None = None
        self._isolated_is_next = False

    def advancing(self, running: list[Sequence], now: float) -> list[Sequence]:
        """The sequences that advance, in order.

        While critical prompts are computed, only critical sequences.
        """
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

    def split(
        self, advancing: list[Sequence], isolated: Sequence | None
    ) -> tuple[list[Sequence], Sequence | None]:
        """The sequences that may share the next step, and the sequence that has the step for itself, or None.

        `isolated` is the deterministic sequence, if there is one, advancing or not.
        """
        if isolated is None or isolated not in advancing:
            return advancing, None
        if self._isolated_is_next:
            return [], isolated
        return [each for each in advancing if each is not isolated], isolated

    def record(self, *, isolated: bool) -> None:
        """Records whether the deterministic sequence has the next step."""
        self._isolated_is_next = not isolated


def is_critical(sequence: Sequence) -> bool:
    """Whether other sequences make way for its prompt."""
    return sequence.request.priority is Priority.CRITICAL


def _is_critical_prompt(sequence: Sequence) -> bool:
    return sequence.status is not Status.DECODE and is_critical(sequence)


def _is_lower_prompt(sequence: Sequence) -> bool:
    return not is_critical(sequence) and sequence.status is not Status.DECODE
