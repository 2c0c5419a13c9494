"""A Sequence: the mutable decode state of one request."""

import enum
from dataclasses import dataclass, field

from xapp.backend.base import Outcome, Sampler
from xapp.engine.messages import FinishReason, SequenceFinished, Submit


class Status(enum.Enum):
    """Where a sequence is in its life. SCORE: the prompt is computed, choices are."""

    WAITING = enum.auto()
    PREFILL = enum.auto()
    DECODE = enum.auto()
    SCORE = enum.auto()
    FINISHED = enum.auto()


class NoSampler:
    """Stands in until the sequence is admitted."""

    outcome = Outcome.OPEN

    def close(self) -> None:
        """Nothing to free."""


@dataclass(slots=True, eq=False)
class Sequence:
    """`tokens` is the prompt and what was generated; the first `num_computed` of them have KV cells."""

    request: Submit
    order: tuple[float, ...] = ()
    status: Status = Status.WAITING
    tokens: list[int] = field(default_factory=list)
    num_computed: int = 0
    num_cached: int = 0
    seq_id: int | None = None
    sampler: Sampler = field(default_factory=NoSampler)
    started_at: float | None = None
    first_token_at: float | None = None
    finish_reason: FinishReason | None = None

    def __post_init__(self) -> None:
        self.tokens = list(self.request.prompt)

    @property
    def num_prompt(self) -> int:
        """Tokens of the prompt."""
        return len(self.request.prompt)

    @property
    def num_to_prefill(self) -> int:
        """Tokens to compute, when nothing is cached, before the answer begins."""
        return self.num_prompt

    @property
    def num_stable(self) -> int:
        """Tokens whose cells stay for as long as it runs: others may share them."""
        return self.num_computed

    @property
    def num_completion(self) -> int:
        """Tokens generated so far."""
        return len(self.tokens) - len(self.request.prompt)

    @property
    def prompt_left(self) -> int:
        """Prompt tokens still to compute."""
        return self.num_prompt - self.num_computed

    @property
    def cells_needed(self) -> int:
        """KV cells at most: the last token generated is never computed."""
        return self.num_prompt + self.request.max_tokens - 1

    def finished_event(self, now: float) -> SequenceFinished:
        """The last word on this request."""
        assert self.finish_reason is not None
        return SequenceFinished(
            self.request.request_id,
            now,
            self.finish_reason,
            self.num_cached,
            self.num_completion,
            self.started_at,
            self.first_token_at,
        )
