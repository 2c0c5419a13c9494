"""Branches: the sequence ids and cells of choices that are computed beside one another.

They take what is free and wait for nothing: the choice in its sequence's own cells gets on in any case.
"""

from dataclasses import dataclass

from xapp.backend.base import Backend
from xapp.engine.cells import CellPool
from xapp.engine.sequence import Sequence


@dataclass(slots=True, eq=False)
class Branch:
    """A choice that is computed beside the others.

    `seq_id` shares the prompt's cells, and has cells of its own for the first `num_computed` of `tokens`,
    the choice. The last of them is never computed. `num_planned` are those that the step computes.
    `joins` is set while the prompt is computed in the same step.
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
        """A choice as a branch behind the prompt's cells; None where there is no id, or too few cells."""
        if not self._ids or self._pool.unpromised < len(sequence.request.choices[choice]) - 1:
            return None
        branch = self._begin(sequence, choice)
        assert sequence.seq_id is not None
        self._backend.copy_prefix(sequence.seq_id, branch.seq_id, sequence.num_prompt)
        self._pool.share(sequence.seq_id, branch.seq_id, sequence.num_prompt)
        return branch

    def open_all(self, sequence: Sequence, choices: list[int]) -> list[Branch] | None:
        """The choices as branches, before the prompt is computed; None where not all can be."""
        lengths = [len(sequence.request.choices[choice]) - 1 for choice in choices]
        if len(self._ids) < len(lengths) or self._pool.unpromised < sum(lengths):
            return None
        branches = [self._begin(sequence, choice) for choice in choices]
        for branch in branches:
            branch.joins = True
        return branches

    def _begin(self, sequence: Sequence, choice: int) -> Branch:
        branch = Branch(choice, sequence.request.choices[choice], self._ids.pop())
        self._pool.promised += branch.num_left
        return branch

    def computed(self, sequence: Sequence, branch: Branch) -> None:
        """What was planned of the branch got its cells; the prompt too, one cell a token, where it joined."""
        if branch.joins:
            branch.joins = False
            assert sequence.seq_id is not None
            self._pool.share(sequence.seq_id, branch.seq_id, sequence.num_prompt)
        self._pool.extend(branch.seq_id, branch.num_planned)
        self._pool.promised -= branch.num_planned
        branch.num_computed += branch.num_planned
        branch.num_planned = 0

    def close(self, branch: Branch) -> None:
        """Gives back its id and its cells."""
        self._pool.promised -= branch.num_left
        self._backend.remove(branch.seq_id)
        self._pool.truncate(branch.seq_id)
        self._ids.append(branch.seq_id)
