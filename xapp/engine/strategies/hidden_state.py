"""HiddenState: the hidden state of the prompt's last token, from which probes predict difficulty and length.

The prompt is prefilled as usual, up to its last token. That token goes into a later step, and the backend
computes it in a batch of its own. The cells stay as a cached prefix, so that the request itself, which mostly
follows, computes its last token only.
"""

from array import array

from xapp.backend.base import Backend, Batch
from xapp.domain.messages import SequenceEmbedded
from xapp.engine.sequence import Sequence
from xapp.engine.strategies.decode import Decode


class HiddenState(Decode):
    """A Strategy without state of its own."""

    draws = False
    keeps_answer = False
    shares_step = True

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds the next tokens, or the last token and a probe of its state."""
        start, seq_id = sequence.num_computed, sequence.seq_id
        assert seq_id is not None
        before = min(room, sequence.num_prompt - 1 - start)
        if before > 0:
            batch.extend(sequence.tokens[start : start + before], start, seq_id)
            return before
        if len(batch.probes) >= self._backend.num_probes:
            return 0
        batch.add(sequence.tokens[start], start, seq_id)
        batch.want_hidden_state()
        return 1

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        """Returns no tokens: the result is `sequence.result`."""
        (state,) = read
        vector = array("f", state).tobytes()
        sequence.result = SequenceEmbedded(sequence.request.request_id, vector, whole=True)
        return []

    def num_completion(self, sequence: Sequence) -> int:
        """Nothing is generated."""
        return 0
