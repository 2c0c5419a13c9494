"""IsolatedCache: computes one deterministic sequence in a KV cache and in steps of its own.

The last digits of what llama.cpp computes depend on the number of tokens in a step and on the position of
a sequence's cells in the cache. A deterministic request therefore gets three things: a cache that no other
sequence uses, a prompt in chunks of one size, and a step of its own for each token of its answer. After a
restart of the sequence, tokens that it had already generated are again computed one in each step.
"""

from xapp.backend.base import Backend
from xapp.engine.plan import Plan
from xapp.engine.sequence import Sequence, Status
from xapp.steps.pace import ISOLATED_CHUNK

ISOLATED_ID = -1
"""The sequence id in the separate cache. Sequences in the shared cache have other ids."""


class IsolatedCache:
    """Lends the separate cache to one sequence at a time, running or paused.

    `max_batch`: tokens of a step.
    """

    def __init__(self, backend: Backend, max_batch: int) -> None:
        self._backend = backend
        self._chunk = min(ISOLATED_CHUNK, max_batch)
        self._is_open = False
        self.sequence: Sequence | None = None

    def admit(self, sequence: Sequence) -> None:
        """Lends the cache, which must be free. `open` allocates it."""
        assert self.sequence is None, "the separate cache serves one sequence at a time"
        self.sequence = sequence
        sequence.seq_id = ISOLATED_ID
        sequence.num_computed = 0

    def open(self) -> bool:
        """Allocates the cache if needed; called before each step of the sequence.

        False when memory is short.
        """
        assert self.sequence is not None
        if not self._is_open:
            self._is_open = self._backend.open_isolated(self.sequence.cells_needed)
        return self._is_open

    def release(self, sequence: Sequence) -> None:
        """Takes the cache back: the sequence ended or was evicted."""
        assert self.sequence is sequence
        sequence.seq_id = None
        self.sequence = None
        self._is_open = False
        self._backend.close_isolated()

    def add_to(self, plan: Plan) -> None:
        """Puts the sequence's next step into the plan, which has no other part."""
        sequence, batch = self.sequence, plan.batch
        assert sequence is not None
        assert len(batch) == 0
        if sequence.status is Status.DECODE:
            plan.add_decoding([sequence], 0)
        else:
            plan.add(sequence, self._count(sequence))
        batch.isolated = True
        batch.seq_ids = [0] * len(batch)

    def _count(self, sequence: Sequence) -> int:
        return max(1, min(self._chunk, sequence.num_prompt - sequence.num_computed))
