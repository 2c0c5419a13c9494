"""KVCache: who has which KV cells, and which computed prefixes can be used again.

A sequence that ends leaves its cells behind as a cached prefix. A new prompt that starts like any
running or cached sequence of its scope shares that sequence's cells. While anything runs, prefixes that
nobody uses are parked in ordinary memory, so that the cells in use lie close together: see `parked`. Room
for a whole answer is set aside on admission, so a decode never fails for want of cells.
"""

from collections import OrderedDict
from dataclasses import dataclass

from xapp.backend.base import Backend
from xapp.domain.prefix import MIN_PREFIX, PARKED_SHARE, common_prefix
from xapp.engine.apart import Apart
from xapp.engine.branches import Branches
from xapp.engine.cells import CellPool
from xapp.engine.parked import ParkedPrefix, ParkedPrefixes
from xapp.engine.sequence import Sequence, Status

RESIDENT_CELLS = 256
"""A cache that never held more since it was empty keeps its prefixes while nothing runs: a step reads
cells in blocks of so many, and these are in the first. Where it held more they may lie anywhere."""
MIN_PARKED_USE = 1 / 8
"""A parked prefix comes back whole: it is not worth it for a smaller share of it."""


@dataclass(frozen=True, slots=True)
class Match:
    """The best prefix for a prompt: `length` tokens of `source`, or of a parked one.

    `pending` when more of it is on its way.
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
        self.apart = Apart(backend, max_batch)
        self._empty_ids = list(range(backend.num_sequences - 1, -1, -1))
        self._running: dict[int, Sequence] = {}
        self._scopes = [""] * backend.num_sequences
        """Whose each sequence id is, running or cached."""
        self._cached: OrderedDict[int, list[int]] = OrderedDict()
        self._parked = ParkedPrefixes(int(num_cells * PARKED_SHARE))

    @property
    def used(self) -> int:
        """Cells with content, cached prefixes included."""
        return self._pool.used

    @property
    def free(self) -> int:
        """Free cells that are not promised to anybody."""
        return self._pool.unpromised

    @property
    def total(self) -> int:
        """Cells there are."""
        return self._pool.total

    @property
    def parked(self) -> int:
        """Tokens of the prefixes that are out of the cells, in ordinary memory."""
        return self._parked.cells

    @property
    def reserved(self) -> int:
        """Free cells promised to running sequences."""
        return self._pool.promised

    def match(self, sequence: Sequence) -> Match:
        """The longest prefix of the prompt that has cells; its last token is always left to compute."""
        if not (self._reuse and sequence.may_share):
            return NO_MATCH
        ready, coming = self._ready(sequence), self._coming(sequence)
        if coming.length >= ready.length + MIN_PREFIX:
            return coming
        return ready if ready.length >= MIN_PREFIX else NO_MATCH

    def _ready(self, sequence: Sequence) -> Match:
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

    def _coming(self, sequence: Sequence) -> Match:
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
        """Whether there is a sequence id to lend."""
        return bool(self._empty_ids or self._cached)

    def admit(self, sequence: Sequence, match: Match) -> bool:
        """Lends a sequence id and sets cells aside for the whole answer; False when it does not fit now."""
        assert not sequence.apart, "its cells are none of these"
        if match.parked is not None and not self._make_room(len(match.parked.tokens), match):
            match = NO_MATCH
        if not self._make_room(sequence.cells_needed - self._already_there(match), match):
            return False
        self._park_idle(keep=match.source)
        seq_id = self._take_id(match)
        if not self._bring(seq_id, match):
            match = NO_MATCH  # room for all of it was made: it is computed instead
        self._leave_source(match)
        self._running[seq_id] = sequence
        self._scopes[seq_id] = sequence.request.scope
        self._pool.promised += sequence.cells_needed - match.length
        sequence.seq_id = seq_id
        sequence.num_computed = match.length
        if sequence.started_at is None:
            sequence.num_cached = match.length
        return True

    @staticmethod
    def _already_there(match: Match) -> int:
        """Cells that are shared; a parked prefix takes new ones."""
        return match.length if match.parked is None else 0

    def _bring(self, seq_id: int, match: Match) -> bool:
        """Gives the sequence id the matched prefix; False when a parked one was refused."""
        if match.parked is not None:
            return self._restore(seq_id, match.parked, match.length)
        if match.source is not None and seq_id != match.source:
            self._backend.copy_prefix(match.source, seq_id, match.length)
            self._pool.share(match.source, seq_id, match.length)
        return True

    def _leave_source(self, match: Match) -> None:
        """A cached prefix that was shared has its cells in the new sequence: it need not stay itself."""
        tokens = self._cached.get(match.source) if match.source is not None else None
        if match.source is None or tokens is None:
            return
        if len(tokens) == match.length:
            self._drop(match.source)  # the new sequence answers for all of it
        else:
            self._park(match.source)

    def _restore(self, seq_id: int, parked: ParkedPrefix, length: int) -> bool:
        """A parked prefix comes back whole and is cut then."""
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
            self._parked.add(ParkedPrefix(tokens, self._backend.save(seq_id), scope))
        self._drop(seq_id)

    def _pin(self, seq_id: int, prompt: list[int]) -> None:
        """A copy for good, of a sequence that has computed its prompt and no more."""
        scope = self._scopes[seq_id]
        if len(self._cached[seq_id]) == len(prompt) and self._parked.wants_pinned(prompt, scope):
            self._parked.pin(ParkedPrefix(prompt, self._backend.save(seq_id), scope))

    def _make_room(self, needed: int, match: Match) -> bool:
        """Parks cached prefixes, oldest first, until the cells are there; the match is cut last."""
        while self._pool.unpromised < needed:
            victim = next((seq_id for seq_id in self._cached if seq_id != match.source), None)
            if victim is not None:
                self._park(victim)
            elif not self._trim(match):
                return False
        return True

    def _trim(self, match: Match) -> bool:
        """Cuts a cached match down to what is shared; False when there was nothing to cut."""
        tokens = self._cached.get(match.source) if match.source is not None else None
        if match.source is None or tokens is None or len(tokens) == match.length:
            return False
        self._backend.remove(match.source, match.length)
        self._pool.truncate(match.source, match.length)
        del tokens[match.length :]
        return True

    def _take_id(self, match: Match) -> int:
        """An empty id; else the least recently used prefix goes; else the match itself is taken over."""
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
            self._pool.promised -= count
        sequence.num_computed += count

    def trim(self, sequence: Sequence, length: int) -> None:
        """Takes a sequence's cells from position `length` on, and sets them aside for it again.

        The cells are its own: others share no cells behind `num_stable`.
        """
        count = sequence.num_computed - length
        if count <= 0:
            return
        assert sequence.seq_id is not None
        assert not sequence.apart, "drafts are no part of what is computed apart"
        self._backend.remove(sequence.seq_id, length)
        freed = self._pool.truncate(sequence.seq_id, length)
        assert freed == count, "a cell that another sequence shares is not taken back"
        self._pool.promised += count
        sequence.num_computed = length

    def release(self, sequence: Sequence) -> None:
        """The sequence ended, or must go; what it computed stays as a cached prefix if it is worth it."""
        seq_id = sequence.seq_id
        if seq_id is None:
            return
        if sequence.apart:
            self.apart.release(sequence)
            return
        sequence.strategy.give_back(sequence)
        self.trim(sequence, len(sequence.tokens))
        sequence.seq_id = None
        del self._running[seq_id]
        self._pool.promised -= sequence.cells_needed - sequence.num_computed
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
        """Parks the cached prefixes, oldest first, but not `keep`."""
        for seq_id in [each for each in self._cached if each != keep]:
            self._park(seq_id)

    def _forget_covered(self, newest_id: int) -> None:
        """Of two cached prefixes of a scope of which one begins the other, the longer can answer for both."""
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
    """Its own scope, and that of its task, which is its own where there is none."""
    request = sequence.request
    return request.scope, request.task_scope or request.scope
