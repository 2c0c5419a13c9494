"""Doubt: decodes, and notes the places at which the model was unsure.

Big Little Decoder hands over to a larger model where the likeliest token has a probability below a
threshold. The sequence itself goes on: its guess may be right.
"""

from math import log

from xapp.backend.base import Backend, Batch
from xapp.engine.sequence import Sequence
from xapp.engine.strategies.decode import Decode


class Doubt(Decode):
    """Belongs to one sequence, which samples greedily. `below`: a probability, above 0, at most 1."""

    def __init__(self, backend: Backend, below: float) -> None:
        self._backend = backend
        self._below = log(below)

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds a probe for the likeliest token to the output."""
        num_outputs = len(batch.outputs)
        count = Decode.plan(self, sequence, batch, room)
        if len(batch.outputs) > num_outputs and len(batch.probes) < self._backend.num_probes:
            batch.want_log_probabilities([])
        return count

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        """The token that was drawn. Without room for a probe the place counts as doubtful."""
        if drawn and (not read or read[0][0] < self._below):
            sequence.doubts.append(self.num_completion(sequence))
        return drawn
