"""KVCache: assigns KV cells to sequences and finds computed prefixes that can be reused.

The cells of an ended sequence stay as a cached prefix. A new prompt shares the cells of a running or cached
sequence of its scope that begins alike. While anything runs, unused prefixes are parked in ordinary memory,
so that the cells in use lie close together (see `parked`). Admission reserves cells for the whole answer,
so that a decode never fails for want of cells.
"""

from collections import OrderedDict
from dataclasses import dataclass

from xapp.backend.base import Backend
from xapp.domain.prefix import MIN_PREFIX, PARKED_SHARE, common_prefix
from xapp.engine.branches import Branches
from xapp.engine.cells import CellPool
from xapp.engine.isolated_cache import IsolatedCache
from xapp.engine.parked import ParkedPrefix, ParkedPrefixes
from xapp.engine.sequence import Sequence, Status

RESIDENT_CELLS = 256
"""A step reads cells in blocks of this size. A cache that used no more cells since it was last empty keeps
its prefixes while nothing runs, since they are all in the first block. Otherwise they may lie anywhere."""
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


NO_MATCH = Match()


class KVCache:
    """Lends the backend's sequence ids and `num_cells` cells to sequences, running or paused."""

    def __init__(self, backend: Backend, num_cells: int, *, reuse: bool = True, max_batch: int = 512) -> None:
        self._backend = backend
        self._reuse = reuse
        self._pool = CellPool(num_cells, backend.num_sequences + backend.num_branches)
        self.branches = Branches(backend, self._pool)
        self.isolated = IsolatedCache(backend, max_batch)
        self._empty_ids = list(range(backend.num_sequences - 1, -1, -1))
        self._running: dict[int, Sequence] = {}
        self._scopes = [""] * backend.num_sequences
        """The owner of each sequence id, running or cached."""
        self._cached: OrderedDict[int, list[int]] = OrderedDict()
        self._parked = ParkedPrefixes(int(num_cells * PARKED_SHARE))

    @property
    def used(self) -> int:
        """Cells with content, cached prefixes included."""
        return self._pool.used

    @property
    def free(self) -> int:
        """Free cells that are not reserved."""
        return self._pool.available

    @property
    def total(self) -> int:
        """Number of cells."""
        return self._pool.total

    @property
    def parked(self) -> int:
        """Tokens of parked prefixes."""
        return self._parked.cells

    @property
    def reserved(self) -> int:
        """Free cells reserved for running sequences."""
        return self._pool.reserved

    def match(self, sequence: Sequence) -> Match:
        """The longest prefix of the prompt that has cells.

        The last prompt token is always left to compute.
        """
        if not (self._reuse and sequence.may_share):
            return NO_MATCH
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
            length = self._common(sequence, tokens)
            if length > best.length:
                best = Match(seq_id, length)
        for seq_id, other in self._running.items():
            if scopes[seq_id] != scope:
                continue
            length = min(self._common(sequence, other.tokens), other.num_stable)
            if length > best.length:
                best = Match(seq_id, length)
        for parked in self._parked:
            if parked.scope not in (scope, task_scope):
                continue
            length = self._common(sequence, parked.tokens)
            if length >= best.length + MIN_PREFIX and length >= len(parked.tokens) * MIN_PARKED_USE:
                best = Match(None, length, parked=parked)
        return best

    def _pending_match(self, sequence: Sequence) -> Match:
        best, readable = NO_MATCH, _readable(sequence)
        for seq_id, other in self._running.items():
            if self._worth_waiting(other, sequence) and self._scopes[seq_id] in readable:
                length = self._common(sequence, other.request.prompt)
                if length > max(best.length, other.num_computed):
                    best = Match(seq_id, length, pending=True)
        return best

    @staticmethod
    def _common(sequence: Sequence, tokens: list[int]) -> int:
        prefix = sequence.prefix
        return min(common_prefix(tokens, prefix), len(prefix) - 1)

    @staticmethod
    def _worth_waiting(other: Sequence, sequence: Sequence) -> bool:
        return other.status is Status.PREFILL and other.request.priority <= sequence.request.priority

    @property
    def has_id(self) -> bool:
        """Whether a sequence id is available."""
        return bool(self._empty_ids or self._cached)

    def admit(self, sequence: Sequence, match: Match) -> bool:
        """Assigns a sequence id and reserves cells for the whole answer.

        False when the sequence does not fit.
        """
        assert not sequence.isolated, "a deterministic sequence has cells of its own"
        if match.parked is not None and not self._make_room(len(match.parked.tokens), match):
            match = NO_MATCH
        if not self._make_room(sequence.cells_needed - self._num_shared(match), match):
            return False
        self._park_idle(keep=match.source)
        seq_id = self._take_id(match)
        if not self._assign_prefix(seq_id, match):
            match = NO_MATCH  # cells for the whole prompt are free: it is computed instead
        self._leave_source(match)
        self._running[seq_id] = sequence
        self._scopes[seq_id] = sequence.request.scope
        self._pool.reserved += sequence.cells_needed - match.length
        sequence.seq_id = seq_id
        sequence.num_computed = match.length
        if sequence.started_at is None:
            sequence.num_cached = match.length
        return True

    @staticmethod
    def _num_shared(match: Match) -> int:
        """Cells of the match that are shared. A parked prefix needs new cells."""
        return match.length if match.parked is None else 0

    def _assign_prefix(self, seq_id: int, match: Match) -> bool:
        """Gives the sequence id the matched prefix. False when the backend refused a parked prefix."""
        if match.parked is not None:
            return self._restore(seq_id, match.parked, match.length)
        if match.source is not None and seq_id != match.source:
            self._backend.copy_prefix(match.source, seq_id, match.length)
            self._pool.share(match.source, seq_id, match.length)
        return True

    def _leave_source(self, match: Match) -> None:
        """Drops a cached prefix whose cells the new sequence shares completely."""
        tokens = self._cached.get(match.source) if match.source is not None else None
        if match.source is None or tokens is None:
            return
        if len(tokens) == match.length:
            self._drop(match.source)  # the new sequence has all of its cells
        else:
            self._park(match.source)

    def _restore(self, seq_id: int, parked: ParkedPrefix, length: int) -> bool:
        """Restores a whole parked prefix, then cuts it to `length`."""
        if not self._backend.restore(seq_id, parked.state):
            self._parked.drop(parked)
            return False
        self._parked.touch(parked)
        self._pool.extend(seq_id, len(parked.tokens))
        if length < len(parked.tokens):
            self._backend.remove(seq_id, length)
            self._pool.truncate(seq_id, length)
        return True

    def _park(self, seq_id: int) -> None:
        """Moves a cached prefix to memory."""
        tokens, scope = self._cached[seq_id], self._scopes[seq_id]
        if self._parked.wants(tokens, scope):
            self._parked.make_room(len(tokens))
            if (state := self._saved(seq_id)) is not None:
                self._parked.add(ParkedPrefix(tokens, state, scope))
        self._drop(seq_id)

    def _pin(self, seq_id: int, prompt: list[int]) -> None:
        """Pins a copy of a sequence that has computed exactly its prompt."""
        scope = self._scopes[seq_id]
        wanted = len(self._cached[seq_id]) == len(prompt) and self._parked.wants_pinned(prompt, scope)
        if wanted and (state := self._saved(seq_id)) is not None:
            self._parked.pin(ParkedPrefix(prompt, state, scope))

    def _saved(self, seq_id: int) -> object | None:
        """The state of a prefix, or None without memory for it: it is computed again when it is needed."""
        try:
            return self._backend.save(seq_id)
        except (MemoryError, OSError):
            return None

    def _make_room(self, needed: int, match: Match) -> bool:
        """Parks cached prefixes, oldest first, until `needed` cells are free. The match is cut last."""
        while self._pool.available < needed:
            victim = next((seq_id for seq_id in self._cached if seq_id != match.source), None)
            if victim is not None:
                self._park(victim)
            elif not self._trim(match):
                return False
        return True

    def _trim(self, match: Match) -> bool:
        """Cuts a cached match to its shared part. False when there is nothing to cut."""
        tokens = self._cached.get(match.source) if match.source is not None else None
        if match.source is None or tokens is None or len(tokens) == match.length:
            return False
        self._backend.remove(match.source, match.length)
        self._pool.truncate(match.source, match.length)
        del tokens[match.length :]
        return True

    def _take_id(self, match: Match) -> int:
        """An empty id, else the id of the least recently used prefix, else the id of the match itself."""
        if match.source is not None and match.source in self._cached:
            self._cached.move_to_end(match.source)
        if self._empty_ids:
            return self._empty_ids.pop()
        oldest = next(iter(self._cached))
        if oldest == match.source:
            self._trim(match)
            del self._cached[oldest]
            return oldest
        self._park(oldest)
        return self._empty_ids.pop()

    def _drop(self, seq_id: int) -> None:
        del self._cached[seq_id]
        self._backend.remove(seq_id)
        self._pool.truncate(seq_id)
        self._empty_ids.append(seq_id)

    def computed(self, sequence: Sequence, count: int) -> None:
        """`count` more tokens of the sequence got their cells."""
        if not sequence.request.deterministic:
            assert sequence.seq_id is not None
            self._pool.extend(sequence.seq_id, count)
            self._pool.reserved -= count
        sequence.num_computed += count

    def trim(self, sequence: Sequence, length: int) -> None:
        """Removes a sequence's cells from position `length` on, and reserves them for the same sequence.

        These cells belong to this sequence alone: only cells up to `num_stable` are shared.
        """
        count = sequence.num_computed - length
        if count <= 0:
            return
        assert sequence.seq_id is not None
        assert not sequence.isolated, "a deterministic sequence has no drafts"
        self._backend.remove(sequence.seq_id, length)
        freed = self._pool.truncate(sequence.seq_id, length)
        assert freed == count, "a cell that another sequence shares is not taken back"
        self._pool.reserved += count
        sequence.num_computed = length

    def release(self, sequence: Sequence) -> None:
        """The sequence ended or was evicted.

        Its computed tokens stay as a cached prefix if that is worthwhile.
        """
        seq_id = sequence.seq_id
        if seq_id is None:
            return
        if sequence.isolated:
            self.isolated.release(sequence)
            return
        sequence.strategy.give_back(sequence)
        self.trim(sequence, len(sequence.tokens))
        sequence.seq_id = None
        del self._running[seq_id]
        self._pool.reserved -= sequence.cells_needed - sequence.num_computed
        self._cached[seq_id] = sequence.tokens[: sequence.num_computed]
        if not self._reuse or sequence.num_computed < MIN_PREFIX:
            self._drop(seq_id)
            return
        if sequence.request.pin:
            self._pin(seq_id, sequence.request.prompt)
        self._forget_covered(seq_id)
        if self._running or self._pool.peak > RESIDENT_CELLS:
            self._park_idle()

    def _park_idle(self, keep: int | None = None) -> None:
        """Parks the cached prefixes, oldest first, except `keep`."""
        for seq_id in [each for each in self._cached if each != keep]:
            self._park(seq_id)

    def _forget_covered(self, newest_id: int) -> None:
        """Drops each cached prefix that is the beginning of another cached prefix of the same scope."""
        newest, scope = self._cached[newest_id], self._scopes[newest_id]
        for other_id, other in list(self._cached.items()):
            if other_id == newest_id or self._scopes[other_id] != scope:
                continue
            common = common_prefix(other, newest)
            if common == len(other):
                self._drop(other_id)
            elif common == len(newest):
                self._cached.move_to_end(other_id)
                self._drop(newest_id)
                return


def _readable(sequence: Sequence) -> tuple[str, str]:
    """The sequence's own scope and its task's scope; both are the same without a task."""
    request = sequence.request
    return request.scope, request.task_scope or request.scope
