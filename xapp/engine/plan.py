"""Plan: what one step computes, and for which sequences."""

from dataclasses import dataclass, field
from typing import TypeAlias

from xapp.backend.base import Batch
from xapp.engine.sequence import Sequence
from xapp.steps.step_cost import StepCost

Part: TypeAlias = tuple[Sequence, int, int, int]
"""A sequence with its number of new cells, of outputs and of probes in the step. A tuple, because it is
made for each sequence in each step."""


@dataclass(slots=True)
class Plan:
    """One step: the batch, and the sequences that have a part in it, in order.

    The first `num_decoding` parts are those of decoding sequences. `outputs` names the sequence of each
    output. `awaits_prefix`: a waiting sequence is not admitted yet because another sequence computes its
    prefix.
    """

    batch: Batch = field(default_factory=Batch)
    parts: list[Part] = field(default_factory=list)
    outputs: list[Sequence] = field(default_factory=list)
    admitted: list[Sequence] = field(default_factory=list)
    num_decoding: int = 0
    awaits_prefix: bool = False

    @property
    def num_decode(self) -> int:
        """Tokens of answers in the batch, each with an output; drafts count."""
        return self.batch.num_decode

    @property
    def num_prefill(self) -> int:
        """Tokens of prompts and of choices in the batch."""
        return len(self.batch) - self.batch.num_decode

    @property
    def prompts(self) -> list[Sequence]:
        """The sequences with a part of their prompt or with texts in the batch, in order."""
        every = not self.batch.keeps_cells
        return [sequence for sequence, count, _, _ in self.parts[self.num_decoding :] if count or every]

    @property
    def may_be_interrupted(self) -> bool:
        """Whether an interruption loses time only. Interrupted choices would leave shared cells behind."""
        return self.num_prefill > 0 and not self.batch.probes and not self.batch.shared

    def compute_in_parts(self, cost: StepCost) -> None:
        """Splits the batch where this takes less time. To be called once the batch is complete."""
        batch = self.batch
        if cost.is_apart(self.num_decode, self.num_prefill):
            batch.apart = not batch.probes and not batch.shared
        if batch.apart or not self.num_prefill:
            batch.split = cost.split(self.num_decode)

    def add_decoding(self, sequences: list[Sequence], spare: int) -> None:
        """Lets each sequence put its next token into the batch, and at most `spare` drafts in all. Each of
        these tokens has an output. All parts that are added later are prefill.
        """
        batch, parts, outputs = self.batch, self.parts, self.outputs
        batch.num_decode = len(sequences)  # a strategy reads the width of the step without drafts
        for sequence in sequences:
            probes = len(batch.probes)
            count = sequence.strategy.plan(sequence, batch, 1 + spare)
            parts.append((sequence, count, count, len(batch.probes) - probes))
            if count == 1:
                outputs.append(sequence)
            else:
                outputs += [sequence] * count
                spare -= count - 1
        self.num_decoding = len(parts)
        batch.num_decode = len(batch.tokens)

    def add(self, sequence: Sequence, room: int) -> int:
        """Lets a sequence put at most `room` tokens of its prompt and its choices into the batch. Returns
        their number.
        """
        batch = self.batch
        before, outputs, probes = len(batch), len(batch.outputs), len(batch.probes)
        count = sequence.strategy.plan(sequence, batch, room)
        added, num_outputs = len(batch) - before, len(batch.outputs) - outputs
        if added:
            self.parts.append((sequence, count, num_outputs, len(batch.probes) - probes))
            self.outputs += [sequence] * num_outputs
        return added
