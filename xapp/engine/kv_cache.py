"""KVCache: assigns KV cells to sequences and finds computed prefixes that can be reused.

The cells of an ended sequence stay as a cached prefix. A new prompt shares the cells of a running or cached
sequence of its scope that begins alike. While anything runs, unused prefixes are parked in ordinary memory,
so that the cells in use lie close together (see `parked`). Admission reserves cells for the whole answer,
so that a decode never fails for want of cells.
"""

from xapp.backend.base import Backend
from xapp.domain.prefix import MIN_PREFIX
from xapp.engine.branches import Branches
from xapp.engine.cached_prefixes import CachedPrefixes
from xapp.engine.cells import CellPool
from xapp.engine.isolated_cache import IsolatedCache
from xapp.engine.prefix_match import NO_MATCH, Match, PrefixMatcher
from xapp.engine.sequence import Sequence

RESIDENT_CELLS = 256
"""A step reads cells in blocks of this size. A cache that used no more cells since it was last empty keeps
its prefixes while nothing runs, since they are all in the first block. Otherwise they may lie anywhere."""


class KVCache:
    """Lends the backend's sequence ids and `num_cells` cells to sequences, running or paused."""

    def __init__(self, backend: Backend, num_cells: int, *, reuse: bool = True, max_batch: int = 512) -> None:
        self._backend = backend
        self._reuse = reuse
        self._pool = CellPool(num_cells, backend.num_sequences + backend.num_branches)
        self.branches = Branches(backend, self._pool)
        self.isolated = IsolatedCache(backend, max_batch)
        self._running: dict[int, Sequence] = {}
        self._prefixes = CachedPrefixes(backend, self._pool)
        prefixes = self._prefixes
        self._matcher = PrefixMatcher(self._running, prefixes.cached, prefixes.parked, prefixes.scopes)

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
        return self._prefixes.parked.cells

    @property
    def reserved(self) -> int:
        """Free cells reserved for running sequences."""
        return self._pool.reserved

    @property
    def has_id(self) -> bool:
        """Whether a sequence id is available."""
        return self._prefixes.has_id

    def match(self, sequence: Sequence) -> Match:
        """The longest prefix of the prompt that the sequence may share."""
        return self._matcher.find(sequence) if self._reuse and sequence.may_share else NO_MATCH

    def admit(self, sequence: Sequence, match: Match) -> bool:
        """Assigns a sequence id and reserves cells for the whole answer.

        False when the sequence does not fit.
        """
        assert not sequence.isolated, "a deterministic sequence has cells of its own"
        prefixes = self._prefixes
        if match.parked is not None and not prefixes.make_room(len(match.parked.tokens), match):
            match = NO_MATCH
        if not prefixes.make_room(sequence.cells_needed - match.num_shared, match):
            return False
        prefixes.park_idle(keep=match.source)
        seq_id = prefixes.take_id(match)
        if not prefixes.assign(seq_id, match):
            match = NO_MATCH  # cells for the whole prompt are free: it is computed instead
        prefixes.leave_source(match)
        self._running[seq_id] = sequence
        prefixes.scopes[seq_id] = sequence.request.scope
        self._pool.reserved += sequence.cells_needed - match.length
        sequence.seq_id = seq_id
        sequence.num_computed = match.length
        if sequence.started_at is None:
            sequence.num_cached = match.length
        return True

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
        self._keep(seq_id, sequence)

    def _keep(self, seq_id: int, sequence: Sequence) -> None:
        prefixes = self._prefixes
        prefixes.cached[seq_id] = sequence.tokens[: sequence.num_computed]
        if not self._reuse or sequence.num_computed < MIN_PREFIX:
            prefixes.drop(seq_id)
            return
        if sequence.request.pin:
            prefixes.pin(seq_id, sequence.request.prompt)
            return
        prefixes.forget_covered(seq_id)
        if self._running or self._pool.peak > RESIDENT_CELLS:
            prefixes.park_idle()
