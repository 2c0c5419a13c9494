"""Plan: what one step computes, and whom it answers."""

from dataclasses import dataclass, field
from typing import TypeAlias

from xapp.backend.base import Batch
from xapp.engine.sequence import Sequence

Part: TypeAlias = tuple[Sequence, int, int, int]
"""A sequence, how many cells of its own the step gives it, and how many outputs and probes are its. A tuple:
each sequence has one in each step."""


@dataclass(slots=True)
class Plan:
    """One step: the batch, and which sequences have a part in it, in order.

    The first `num_decoding` parts are those of sequences that decode. `outputs` says whose each output is.
    `awaits_prefix`: somebody is not admitted yet because another one is computing its prefix.
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
        """The sequences with a part of their prompt in the batch, in order."""
        return [sequence for sequence, count, _, _ in self.parts[self.num_decoding :] if count]

    @property
    def may_be_interrupted(self) -> bool:
        """Whether nothing is lost but time when it ends early; choices would leave shared cells behind."""
        return self.num_prefill > 0 and not self.batch.probes and not self.batch.shared

    def add_decoding(self, sequences: list[Sequence], spare: int) -> None:
        """Has sequences put their next token into the batch, and at most `spare` drafts in all. Each of these
        tokens has an output. What is added later is a part of a prompt.
        """
        batch, parts, outputs = self.batch, self.parts, self.outputs
        batch.num_decode = len(sequences)  # so that a strategy knows how wide the step is without drafts
        for sequence in sequences:
            count = sequence.strategy.plan(sequence, batch, 1 + spare)
            parts.append((sequence, count, count, 0))
            if count == 1:
                outputs.append(sequence)
            else:
                outputs += [sequence] * count
                spare -= count - 1
        self.num_decoding = len(parts)
        batch.num_decode = len(batch.tokens)

    def add(self, sequence: Sequence, room: int) -> int:
        """Has a sequence put at most `room` tokens of its prompt, and of what it asks about that, into the
        batch. Returns how many it put.
        """
        batch = self.batch
        before, outputs, probes = len(batch), len(batch.outputs), len(batch.probes)
        count = sequence.strategy.plan(sequence, batch, room)
        added, num_outputs = len(batch) - before, len(batch.outputs) - outputs
        if added:
            self.parts.append((sequence, count, num_outputs, len(batch.probes) - probes))
            self.outputs += [sequence] * num_outputs
        return added
