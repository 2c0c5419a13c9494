"""A Sequence: the mutable decode state of one request."""

import enum
from dataclasses import dataclass, field

from xapp.backend.base import NO_SAMPLER, Sampler
from xapp.domain.messages import FinishReason, Priority, SequenceFinished, SequenceScored, Submit
from xapp.engine.strategies.strategy import Strategy

PIN_RANK = max(Priority) + 1
NEVER = float("inf")
"""On CLOCK_MONOTONIC: where there is no deadline."""


class Status(enum.Enum):
    """Where a sequence is in its life. SCORE: the prompt is computed, choices are."""

    WAITING = enum.auto()
    PREFILL = enum.auto()
    DECODE = enum.auto()
    SCORE = enum.auto()
    FINISHED = enum.auto()


@dataclass(slots=True, eq=False)
class Sequence:
    """`tokens` is the prompt and what was generated; the first `num_computed` of them have KV cells.

    `strategy` says how it advances. It may have cells behind all of `tokens` besides, of tokens that are only
    guessed. `result` is what the request asked for, where that is no tokens.

    One that was preempted waits again: with its cells, and goes on as `resumes_as`; or evicted, without,
    and prefills all its `tokens`. Its sampler stays, so the answer is what it would have been.
    `interrupted`: the last step with a part of its prompt was ended before it was computed.
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
    promoted_at: float | None = None
    extended_to: float | None = None
    interrupted: bool = False
    result: SequenceScored | None = None

    def __post_init__(self) -> None:
        self.tokens = list(self.request.prompt)

    @property
    def deadline(self) -> float | None:
        """When it expires."""
        return self.request.deadline if self.extended_to is None else self.extended_to

    @property
    def ends_by(self) -> float:
        """Its deadline; NEVER where it has none."""
        return NEVER if self.deadline is None else self.deadline

    @property
    def rank(self) -> int:
        """Its class; a prefix to be pinned is below all of them."""
        return PIN_RANK if self.request.pin else int(self.request.priority)

    @property
    def num_prompt(self) -> int:
        """Tokens of the prompt."""
        return len(self.request.prompt)

    @property
    def apart(self) -> bool:
        """Whether it has a KV cache and steps of its own."""
        return self.request.deterministic

    @property
    def num_to_prefill(self) -> int:
        """Tokens to compute, when nothing is cached, before the answer begins."""
        return self.num_prompt + self.strategy.num_beside

    @property
    def may_share(self) -> bool:
        """Whether it may begin with what others have computed."""
        return self.strategy.may_share and not self.apart

    @property
    def num_stable(self) -> int:
        """Tokens whose cells stay for as long as it runs: others may share them."""
        return min(self.num_computed, len(self.prefix))

    @property
    def num_completion(self) -> int:
        """Tokens of the result so far."""
        return self.strategy.num_completion(self)

    @property
    def prefix(self) -> list[int]:
        """Tokens to compute before the next one of the answer: what may be found in the cache."""
        return self.tokens if self.strategy.keeps_answer else self.request.prompt

    @property
    def prompt_left(self) -> int:
        """Tokens still to compute before the next one of the answer."""
        return self.strategy.prompt_left(self)

    @property
    def paused(self) -> bool:
        """Whether it was preempted and kept its cells."""
        return self.status is Status.WAITING and self.seq_id is not None

    def restart(self) -> None:
        """Its cells are gone. What was generated counts as prompt from now on."""
        self.num_computed = 0
        self.resumes_as = Status.PREFILL
        self.strategy.restart(self)

    @property
    def cells_needed(self) -> int:
        """KV cells at most: the last token generated is never computed."""
        return self.num_prompt + self.request.max_tokens - 1 + self.strategy.num_spare

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
            self.strategy.num_drafted,
            self.strategy.num_accepted,
        )
