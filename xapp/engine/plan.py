"""Plan: what one step computes, and whom it answers."""

from dataclasses import dataclass, field

from xapp.backend.base import Batch
from xapp.engine.score import Branch, ScoreSequence
from xapp.engine.sequence import Sequence


@dataclass(slots=True)
class Plan:
    """One step: the batch, which sequence gets which output, and which choices asked each probe.

    `awaits_prefix`: somebody is not admitted yet because another one is computing its prefix.
    """

    batch: Batch = field(default_factory=Batch)
    outputs: list[Sequence] = field(default_factory=list)
    prefills: list[tuple[Sequence | Branch, int]] = field(default_factory=list)
    scores: list[tuple[ScoreSequence, list[int]]] = field(default_factory=list)
    admitted: list[Sequence] = field(default_factory=list)
    num_decode: int = 0
    awaits_prefix: bool = False

    @property
    def num_prefill(self) -> int:
        """Tokens of prompts and of choices in the batch."""
        return len(self.batch) - self.num_decode

    def add_output(self, sequence: Sequence) -> None:
        """Asks for a token after the last one added."""
        self.batch.want_output()
        self.outputs.append(sequence)

    def add_probe(self, sequence: ScoreSequence, choices: list[int], tokens: list[int]) -> None:
        """Asks how likely each choice's token is after the last one added."""
        self.batch.want_log_probabilities(tokens)
        self.scores.append((sequence, choices))
