"""CachedPrefixes: the prefixes of ended sequences, in KV cells (cached) or in ordinary memory (parked)."""

from collections import OrderedDict

from xapp.backend.base import Backend
from xapp.domain.prefix import common_prefix
from xapp.engine.cells import CellPool
from xapp.engine.parked import ParkedPrefix, ParkedPrefixes
from xapp.engine.prefix_match import Match


class CachedPrefixes:
    """Owns the sequence ids that no sequence uses.

    `cached` has the tokens of each cached prefix by sequence id, the oldest first. `scopes` has the owner of
    each sequence id, running or cached.
    """

    def __init__(self, backend: Backend, pool: CellPool) -> None:
        self._backend = backend
        self._pool = pool
        self._empty_ids = list(range(backend.num_sequences - 1, -1, -1))
        self.scopes = [""] * backend.num_sequences
        self.cached: OrderedDict[int, list[int]] = OrderedDict()
        self.parked = ParkedPrefixes(pool.total)

    # ---- from and to sequences

    @property
    def has_id(self) -> bool:
        """Whether a sequence id is available."""
        return bool(self._empty_ids or self.cached)

    def take_id(self, match: Match) -> int:
        """An empty id, else the id of the least recently used prefix, else the id of the match itself."""
        if match.source is not None and match.source in self.cached:
            self.cached.move_to_end(match.source)
        if self._empty_ids:
            return self._empty_ids.pop()
        oldest = next(iter(self.cached))
        if oldest == match.source:
            self._cut(match)
            del self.cached[oldest]
            return oldest
        self._park(oldest)
        return self._empty_ids.pop()

    def assign(self, seq_id: int, match: Match) -> bool:
        """Gives the sequence id the matched prefix. False when the backend refused a parked prefix."""
        if match.parked is not None:
            return self._restore(seq_id, match.parked, match.length)
        if match.source is not None and seq_id != match.source:
            self._backend.copy_prefix(match.source, seq_id, match.length)
            self._pool.share(match.source, seq_id, match.length)
        return True

    def _restore(self, seq_id: int, parked: ParkedPrefix, length: int) -> bool:
        """Restores a whole parked prefix, then cuts it to `length`."""
        if not self._backend.restore(seq_id, parked.state):
            self.parked.drop(parked)
            return False
        self.parked.touch(parked)
        self._pool.extend(seq_id, len(parked.tokens))
        if length < len(parked.tokens):
            self._backend.remove(seq_id, length)
            self._pool.truncate(seq_id, length)
        return True

    def leave_source(self, match: Match) -> None:
        """Drops a cached prefix whose cells the new sequence shares completely. Parks a longer prefix."""
        tokens = self.cached.get(match.source) if match.source is not None else None
        if match.source is None or tokens is None:
            return
        if len(tokens) == match.length:
            self.drop(match.source)  # the new sequence has all of its cells
        else:
            self._park(match.source)

    def pin(self, seq_id: int, prompt: list[int]) -> None:
        """Pins a copy of a sequence that has computed exactly its prompt, and frees its cells.

        As a cached prefix, which nobody asked for, it would displace prefixes that clients asked for.
        """
        scope = self.scopes[seq_id]
        wanted = len(self.cached[seq_id]) == len(prompt) and self.parked.wants_pinned(prompt, scope)
        if wanted and (state := self._saved(seq_id)) is not None:
            self.parked.pin(ParkedPrefix(prompt, state, scope))
        self.drop(seq_id)

    def _saved(self, seq_id: int) -> object | None:
        """The state of a prefix, or None without memory for it: it is computed again when it is needed."""
        try:
            return self._backend.save(seq_id)
        except (MemoryError, OSError):
            return None

    # ---- room

    def make_room(self, needed: int, match: Match) -> bool:
        """Parks cached prefixes, oldest first, until `needed` cells are free. The match is cut last."""
        while self._pool.available < needed:
            victim = next((seq_id for seq_id in self.cached if seq_id != match.source), None)
            if victim is not None:
                self._park(victim)
            elif not self._cut(match):
                return False
        return True

    def _cut(self, match: Match) -> bool:
        """Cuts a cached match to its shared part. False when there is nothing to cut."""
        tokens = self.cached.get(match.source) if match.source is not None else None
        if match.source is None or tokens is None or len(tokens) == match.length:
            return False
        self._backend.remove(match.source, match.length)
        self._pool.truncate(match.source, match.length)
        del tokens[match.length :]
        return True

    def park_idle(self, keep: int | None = None) -> None:
        """Parks the cached prefixes, oldest first, except `keep`."""
        for seq_id in [each for each in self.cached if each != keep]:
            self._park(seq_id)

    def _park(self, seq_id: int) -> None:
        """Moves a cached prefix to memory."""
        tokens, scope = self.cached[seq_id], self.scopes[seq_id]
        if self.parked.wants(tokens, scope):
            self.parked.make_room(len(tokens))
            if (state := self._saved(seq_id)) is not None:
                self.parked.add(ParkedPrefix(tokens, state, scope))
        self.drop(seq_id)

    def forget_covered(self, newest_id: int) -> None:
        """Drops each cached prefix that is the beginning of another cached prefix of the same scope."""
        newest, scope = self.cached[newest_id], self.scopes[newest_id]
        for other_id, other in list(self.cached.items()):
            if other_id == newest_id or self.scopes[other_id] != scope:
                continue
            common = common_prefix(other, newest)
            if common == len(other):
                self.drop(other_id)
            elif common == len(newest):
                self.cached.move_to_end(other_id)
                self.drop(newest_id)
                return

    def drop(self, seq_id: int) -> None:
        """Forgets a cached prefix. Its id and its cells are free."""
        del self.cached[seq_id]
        self._backend.remove(seq_id)
        self._pool.truncate(seq_id)
        self._empty_ids.append(seq_id)
