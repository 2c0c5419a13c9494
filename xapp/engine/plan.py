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

    @property
    def prompts(self) -> list[Sequence]:
        """The sequences with a part of their prompt in the batch, in order."""
        return [each for each, count in self.prefills if count and isinstance(each, Sequence)]

    @property
    def may_be_interrupted(self) -> bool:
        """Whether nothing is lost but time when it ends early; choices would leave shared cells behind."""
        return self.num_prefill > 0 and not self.scores and not self.batch.shared

    def add_output(self, sequence: Sequence) -> None:
        """Asks for a token after the last one added."""
        self.batch.want_output()
        self.outputs.append(sequence)

    def add_probe(self, sequence: ScoreSequence, choices: list[int], tokens: list[int]) -> None:
        """Asks how likely each choice's token is after the last one added."""
        self.batch.want_log_probabilities(tokens)
        self.scores.append((sequence, choices))
