"""Finds the best prefix for a prompt: cached, parked, or of a running sequence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xapp.domain.prefix import MIN_PREFIX, common_prefix
from xapp.engine.parked import ParkedPrefix
from xapp.engine.sequence import Sequence, Status

MIN_PARKED_USE = 1 / 8
"""Smallest share of a parked prefix that is worth restoring: a prefix is restored as a whole."""


@dataclass(frozen=True, slots=True)
class Match:
    """The best prefix for a prompt: `length` tokens of `source`, or of a parked prefix.

    `pending`: a longer prefix is being computed.
    """

    source: int | None = None
    length: int = 0
    pending: bool = False
    parked: ParkedPrefix | None = None

    @property
    def num_shared(self) -> int:
        """Cells that are shared. A parked prefix needs new cells."""
        return self.length if self.parked is None else 0


NO_MATCH = Match()


class PrefixMatcher:
    """Looks among `running` and `cached` sequences, by sequence id, and among `parked` prefixes. `scopes` has
    the owner of each sequence id.
    """

    def __init__(
        self,
        running: Mapping[int, Sequence],
        cached: Mapping[int, list[int]],
        parked: Iterable[ParkedPrefix],
        scopes: list[str],
    ) -> None:
        self._running = running
        self._cached = cached
        self._parked = parked
        self._scopes = scopes

    def find(self, sequence: Sequence) -> Match:
        """The longest prefix of the prompt that has cells.

        The last prompt token is always left to compute.
        """
        ready, coming = self._ready_match(sequence), self._pending_match(sequence)
        if coming.length >= ready.length + MIN_PREFIX:
            return coming
        return ready if ready.length >= MIN_PREFIX else NO_MATCH

    def _ready_match(self, sequence: Sequence) -> Match:
        best, scopes = NO_MATCH, self._scopes
        scope, task_scope = _readable(sequence)
        for seq_id, tokens in self._cached.items():
            if scopes[seq_id] != scope:
                continue
            length = _common(sequence, tokens)
            if length > best.length:
                best = Match(seq_id, length)
        for seq_id, other in self._running.items():
            if scopes[seq_id] != scope:
                continue
            length = min(_common(sequence, other.tokens), other.num_stable)
            if length > best.length:
                best = Match(seq_id, length)
        for parked in self._parked:
            if parked.scope not in (scope, task_scope):
                continue
            length = _common(sequence, parked.tokens)
            if length >= best.length + MIN_PREFIX and length >= len(parked.tokens) * MIN_PARKED_USE:
                best = Match(None, length, parked=parked)
        return best

    def _pending_match(self, sequence: Sequence) -> Match:
        best, readable = NO_MATCH, _readable(sequence)
        for seq_id, other in self._running.items():
            if _worth_waiting(other, sequence) and self._scopes[seq_id] in readable:
                length = _common(sequence, other.request.prompt)
                if length > max(best.length, other.num_computed):
                    best = Match(seq_id, length, pending=True)
        return best


def _common(sequence: Sequence, tokens: list[int]) -> int:
    prefix = sequence.prefix
    return min(common_prefix(tokens, prefix), len(prefix) - 1)


def _worth_waiting(other: Sequence, sequence: Sequence) -> bool:
    return other.status is Status.PREFILL and other.request.priority <= sequence.request.priority


def _readable(sequence: Sequence) -> tuple[str, str]:
    """The sequence's own scope and its task's scope; both are the same without a task."""
    request = sequence.request
    return request.scope, request.task_scope or request.scope
