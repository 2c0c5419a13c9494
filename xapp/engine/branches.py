"""Branches: sequence ids and cells for choices that are computed in parallel.

Branches use free ids and cells only and never wait: the choice in the sequence's own cells advances anyway.
"""

from dataclasses import dataclass

from xapp.backend.base import Backend
from xapp.engine.cells import CellPool
from xapp.engine.sequence import Sequence


@dataclass(slots=True, eq=False)
class Branch:
    """A choice that is computed in parallel with other choices.

    `seq_id` shares the prompt's cells and has cells of its own for the first `num_computed` tokens of the
    choice, `tokens`. The last token of a choice is never computed. `num_planned` tokens are in the current
    step. `joins`: the prompt is computed in the same step.
    """

    choice: int
    tokens: list[int]
    seq_id: int
    num_computed: int = 0
    num_planned: int = 0
    joins: bool = False

    @property
    def num_left(self) -> int:
        """Tokens still to compute."""
        return len(self.tokens) - 1 - self.num_computed


class Branches:
    """Lends the backend's `num_branches` ids; `pool` is the KV cache's."""

    def __init__(self, backend: Backend, pool: CellPool) -> None:
        self._backend = backend
        self._pool = pool
        first = backend.num_sequences
        shares = backend.info.shares_prefixes
        self._ids = list(range(first, first + backend.num_branches)) if shares else []

    def open(self, sequence: Sequence, choice: int) -> Branch | None:
        """Starts a choice as a branch behind the prompt's cells.

        None without a free id, or with too few cells.
        """
        if not self._ids or self._pool.available < len(sequence.request.choices[choice]) - 1:
            return None
        branch = self._begin(sequence, choice)
        assert sequence.seq_id is not None
        self._backend.copy_prefix(sequence.seq_id, branch.seq_id, sequence.num_prompt)
        self._pool.share(sequence.seq_id, branch.seq_id, sequence.num_prompt)
        return branch

    def open_all(self, sequence: Sequence, choices: list[int]) -> list[Branch] | None:
        """Starts all choices as branches before the prompt is computed. None if any of them cannot start."""
        lengths = [len(sequence.request.choices[choice]) - 1 for choice in choices]
        if len(self._ids) < len(lengths) or self._pool.available < sum(lengths):
            return None
        branches = [self._begin(sequence, choice) for choice in choices]
        for branch in branches:
            branch.joins = True
        return branches

    def _begin(self, sequence: Sequence, choice: int) -> Branch:
        branch = Branch(choice, sequence.request.choices[choice], self._ids.pop())
        self._pool.reserved += branch.num_left
        return branch

    def computed(self, sequence: Sequence, branch: Branch) -> None:
        """The planned tokens of the branch got their cells.

        Where the branch joined, the prompt's cells count too.
        """
        if branch.joins:
            branch.joins = False
            assert sequence.seq_id is not None
            self._pool.share(sequence.seq_id, branch.seq_id, sequence.num_prompt)
        self._pool.extend(branch.seq_id, branch.num_planned)
        self._pool.reserved -= branch.num_planned
        branch.num_computed += branch.num_planned
        branch.num_planned = 0

    def close(self, branch: Branch) -> None:
        """Frees the branch's id and cells."""
        self._pool.reserved -= branch.num_left
        self._backend.remove(branch.seq_id)
        self._pool.truncate(branch.seq_id)
        self._ids.append(branch.seq_id)
