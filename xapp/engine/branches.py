"""Branches: the sequence ids and cells of choices that are computed beside one another.

They take what is free and wait for nothing: the choice in its sequence's own cells gets on in any case.
"""

from xapp.backend.base import Backend
from xapp.engine.cells import CellPool
from xapp.engine.score import Branch, ScoreSequence


class Branches:
    """Lends the backend's `num_branches` ids; `pool` is the KV cache's."""

    def __init__(self, backend: Backend, pool: CellPool) -> None:
        self._backend = backend
        self._pool = pool
        self._shares = backend.info.shares_prefixes
        first = backend.num_sequences
        self._ids = list(range(first, first + backend.num_branches)) if self._shares else []

    def open(self, sequence: ScoreSequence) -> Branch | None:
        """The next pending choice as a branch; None when there is none, or no id or too few cells."""
        if not (sequence.pending and self._ids):
            return None
        tokens = sequence.request.choices[sequence.pending[0]]
        if self._pool.unpromised < len(tokens) - 1:
            return None
        branch = self._begin(sequence)
        assert sequence.seq_id is not None
        self._backend.copy_prefix(sequence.seq_id, branch.seq_id, sequence.num_prompt)
        self._pool.share(sequence.seq_id, branch.seq_id, sequence.num_prompt)
        return branch

    def open_all(self, sequence: ScoreSequence) -> bool:
        """All pending choices as branches, before the prompt is computed; False where not all can be."""
        lengths = [len(sequence.request.choices[choice]) - 1 for choice in sequence.pending]
        if len(self._ids) < len(lengths) or self._pool.unpromised < sum(lengths):
            return False
        while sequence.pending:
            self._begin(sequence).joins = sequence
        return True

    def join(self, branch: Branch) -> None:
        """The prompt was computed for the branch too: one cell a token."""
        sequence, branch.joins = branch.joins, None
        if sequence is not None:
            assert sequence.seq_id is not None
            self._pool.share(sequence.seq_id, branch.seq_id, sequence.num_prompt)

    def _begin(self, sequence: ScoreSequence) -> Branch:
        choice = sequence.pending.popleft()
        branch = Branch(choice, sequence.request.choices[choice], self._ids.pop())
        self._pool.promised += branch.num_left
        sequence.branches.append(branch)
        return branch

    def close_ended(self, sequence: ScoreSequence) -> None:
        """Gives back what the branches have that are computed."""
        for branch in [branch for branch in sequence.branches if branch.num_left == 0]:
            self._close(sequence, branch)

    def close_all(self, sequence: ScoreSequence) -> None:
        """Gives back everything, for a sequence that ends."""
        for branch in list(sequence.branches):
            self._close(sequence, branch)

    def _close(self, sequence: ScoreSequence, branch: Branch) -> None:
        sequence.branches.remove(branch)
        self._pool.promised -= branch.num_left
        self._backend.remove(branch.seq_id)
        self._pool.truncate(branch.seq_id)
        self._ids.append(branch.seq_id)

    def rewind(self, sequence: ScoreSequence) -> None:
        """Makes room behind the prompt; a model whose state cannot be cut computes the prompt again."""
        assert sequence.seq_id is not None
        length = sequence.num_prompt if self._shares else 0
        self._backend.remove(sequence.seq_id, length)
        self._pool.truncate(sequence.seq_id, length)
        self._pool.promised += sequence.num_computed - length
        sequence.num_computed = length
