"""Apart: the one sequence that is computed in a KV cache and in steps of its own, so that it can be repeated.

What llama.cpp computes depends, in its last digits, on how many tokens a step has and on where in the cache
a sequence's cells lie. So a deterministic request has a cache that nobody else uses, from its first cell on,
its prompt is computed in chunks of one size, and each token of its answer in a step of its own. What was
generated before it had to start anew is computed a token a step again.
"""

from xapp.backend.base import Backend
from xapp.engine.plan import Plan
from xapp.engine.sequence import Sequence, Status
from xapp.steps.pace import APART_CHUNK

APART_ID = -1
"""Its sequence id: none of those that share the other cache."""


class Apart:
    """Lends that cache to one sequence at a time, running or paused. `max_batch` tokens a step at most."""

    def __init__(self, backend: Backend, max_batch: int) -> None:
        self._backend = backend
        self._chunk = min(APART_CHUNK, max_batch)
        self._is_open = False
        self.sequence: Sequence | None = None

    def admit(self, sequence: Sequence) -> None:
        """Lends the cache, which is free; `open` makes it."""
        assert self.sequence is None, "one sequence at a time is computed apart"
        self.sequence = sequence
        sequence.seq_id = APART_ID
        sequence.num_computed = 0

    def open(self) -> bool:
        """Before each of its steps; False when there is no memory."""
        assert self.sequence is not None
        if not self._is_open:
            self._is_open = self._backend.open_apart(self.sequence.cells_needed)
        return self._is_open

    def release(self, sequence: Sequence) -> None:
        """The sequence ended, or must go."""
        assert self.sequence is sequence
        sequence.seq_id = None
        self.sequence = None
        self._is_open = False
        self._backend.close_apart()

    def add_to(self, plan: Plan) -> None:
        """Its next step: nothing else is in it."""
        sequence, batch = self.sequence, plan.batch
        assert sequence is not None
        assert len(batch) == 0
        if sequence.status is Status.DECODE:
            plan.add_decoding([sequence], 0)
        else:
            plan.add(sequence, self._count(sequence))
        batch.apart = True
        batch.seq_ids = [0] * len(batch)

    def _count(self, sequence: Sequence) -> int:
        return max(1, min(self._chunk, sequence.num_prompt - sequence.num_computed))
