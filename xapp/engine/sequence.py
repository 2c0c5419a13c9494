"""A Sequence: the mutable decode state of one request."""

import enum
from dataclasses import dataclass, field

from xapp.backend.base import NO_SAMPLER, Sampler
from xapp.domain.messages import (
    FinishReason,
    Priority,
    SequenceEmbedded,
    SequenceFinished,
    SequenceScored,
    Submit,
)
from xapp.engine.strategies.strategy import Strategy

PIN_RANK = max(Priority) + 1
NEVER = float("inf")
"""A deadline that never passes, on CLOCK_MONOTONIC."""


class Status(enum.Enum):
    """State of a sequence. SCORE: the prompt is computed, choices are being computed."""

    WAITING = enum.auto()
    PREFILL = enum.auto()
    DECODE = enum.auto()
    SCORE = enum.auto()
    FINISHED = enum.auto()


@dataclass(slots=True, eq=False)
class Sequence:
    """`tokens` is the prompt and the generated tokens. The first `num_computed` of them have KV cells.

    `strategy` decides how the sequence advances. It may hold cells of drafts behind `tokens`. `result` is the
    result of a request that asks for no tokens, or the next part of it. `doubts` are the doubtful places of
    the answer that were not reported yet.

    A preempted sequence waits. If it is paused, it keeps its cells and resumes in the state `resumes_as`.
    If it is evicted, it loses its cells and prefills all its `tokens`. Its sampler stays, so that
    preemption does not change the answer. `interrupted`: the last step with a part of its prompt ended
    before it was computed.

    `waited_s`: seconds from its arrival to the first step with a part of its prompt.
    `steps_s`: its part of the time of steps, by its share of each step's tokens. `began_s`: the time of all
    steps before it started.
    """

    request: Submit
    strategy: Strategy["Sequence"]
    order: tuple[float, ...] = ()
    status: Status = Status.WAITING
    tokens: list[int] = field(default_factory=list)
    num_computed: int = 0
    num_cached: int = 0
    seq_id: int | None = None
    sampler: Sampler = NO_SAMPLER
    started_at: float | None = None
    first_token_at: float | None = None
    finish_reason: FinishReason | None = None
    resumes_as: Status = Status.PREFILL
    waiting_since: float = 0.0
    advanced_at: float = 0.0
    waited_s: float | None = None
    promoted_at: float | None = None
    extended_to: float | None = None
    interrupted: bool = False
    result: SequenceScored | SequenceEmbedded | None = None
    doubts: list[int] = field(default_factory=list)
    steps_s: float = 0.0
    began_s: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = list(self.request.prompt)

    @property
    def deadline(self) -> float | None:
        """The deadline on CLOCK_MONOTONIC, None without a deadline."""
        return self.request.deadline if self.extended_to is None else self.extended_to

    @property
    def ends_by(self) -> float:
        """The deadline; NEVER without a deadline."""
        return NEVER if self.deadline is None else self.deadline

    @property
    def rank(self) -> int:
        """The class as a number. A prefix to be pinned is below all classes."""
        return PIN_RANK if self.request.pin else int(self.request.priority)

    @property
    def num_prompt(self) -> int:
        """Tokens of the prompt."""
        return len(self.request.prompt)

    def advance_prompt(self, now: float) -> None:
        """A part of the prompt is in the next step."""
        self.advanced_at = now
        if self.waited_s is None:
            self.waited_s = now - self.request.arrival

    @property
    def isolated(self) -> bool:
        """Whether the sequence needs a KV cache and steps of its own."""
        return self.request.deterministic

    @property
    def num_to_prefill(self) -> int:
        """Tokens to compute before the answer begins if nothing is cached."""
        return self.num_prompt + self.strategy.num_beside

    @property
    def may_share(self) -> bool:
        """Whether the sequence may reuse cells that other sequences computed."""
        return self.strategy.may_share and not self.isolated

    @property
    def num_stable(self) -> int:
        """Tokens whose cells stay while the sequence runs. Other sequences may share these cells."""
        return min(self.num_computed, len(self.prefix))

    @property
    def num_completion(self) -> int:
        """Tokens of the result so far."""
        return self.strategy.num_completion(self)

    @property
    def prefix(self) -> list[int]:
        """Tokens to compute before the next token of the answer: the cache may hold a part of them."""
        return self.tokens if self.strategy.keeps_answer else self.request.prompt

    @property
    def prompt_left(self) -> int:
        """Tokens still to compute before the next token of the answer."""
        return self.strategy.prompt_left(self)

    @property
    def paused(self) -> bool:
        """Whether the sequence was preempted and kept its cells."""
        return self.status is Status.WAITING and self.seq_id is not None

    def restart(self) -> None:
        """The sequence lost its cells. Its generated tokens count as prompt from now on."""
        self.num_computed = 0
        self.resumes_as = Status.PREFILL
        self.strategy.restart(self)

    @property
    def cells_needed(self) -> int:
        """Largest number of KV cells. The last generated token is never computed."""
        return self.num_prompt + self.request.max_tokens - 1 + self.strategy.num_spare

    def finished_event(self, now: float, step_seconds: float) -> SequenceFinished:
        """The final event of this request. `step_seconds`: the time of all steps so far."""
        assert self.finish_reason is not None
        return SequenceFinished(
            self.request.request_id,
            now,
            self.finish_reason,
            self.num_cached,
            self.num_completion,
            self.started_at,
            self.first_token_at,
            self.strategy.num_drafted,
            self.strategy.num_accepted,
            self.strategy.num_draft_steps,
            self.strategy.gain,
            steps_s=self.steps_s,
            all_steps_s=step_seconds - self.began_s if self.started_at is not None else 0.0,
        )
