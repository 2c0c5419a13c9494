"""What a request is between server/ and engine/: domain types, no wire types.

Times are seconds; points in time are on CLOCK_MONOTONIC.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Any, Protocol, TypeAlias

from xapp.engine.messages import FinishReason, ModelInfo, Priority, SamplingParams, Stats
from xapp.service.format.kinds import Format
from xapp.tasks.definition import Task
from xapp.text import chat

ChatMessage = chat.ChatMessage
Prompt: TypeAlias = chat.Prompt


class DeadlinePolicy(Enum):
    """What becomes of a request that will not make its deadline: refused, or its answer cut there."""

    REJECT = auto()
    BEST_EFFORT = auto()


@dataclass(frozen=True, slots=True)
class TaskCall:
    """Which task is to make the prompt, NAME or NAME@VERSION, and what of.

    `timestamp` is when the inputs were measured, seconds since 1970. `priority` None takes the task's.
    """

    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    timestamp: float | None = None
    priority: Priority | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked, immutable, not yet checked against the model.

    `model` "" is the default. `sampling.seed` None draws one. `deadline` None takes the default.
    `client` "" has not said who it is. With `task` there is no prompt yet; `task_label`, NAME@VERSION, is
    set once the task has made it. `max_gap_s`: no gap between tokens is planned to be longer.
    The answer to a `deterministic` one can be repeated bit for bit.
    """

    prompt: Prompt
    model: str = ""
    sampling: SamplingParams = SamplingParams()
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    priority: Priority = Priority.INTERACTIVE
    correlation_id: str = ""
    deadline: float | None = None
    deadline_policy: DeadlinePolicy = DeadlinePolicy.REJECT
    max_gap_s: float | None = None
    deterministic: bool = False
    client: str = ""
    format: Format | None = None
    task: TaskCall | None = None
    task_label: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made an answer; hashes are "sha256:" and hexadecimal. `output_hash` is known at the end only.

    `model_origin` is the digest of what the model's file was made of, where it was made here.
    """

    model_digest: str
    task: str
    prompt_hash: str
    seed: int
    build: str
    output_hash: str = ""
    model_origin: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """First event of a stream. `joined`: the answer is that of an identical request that ran already."""

    model: str
    model_digest: str
    num_prompt_tokens: int
    num_cached_tokens: int
    queue_s: float
    seed: int
    correlation_id: str
    provenance: Provenance | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole characters, and the tokens they account for."""

    text: str
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event of a stream. `format_complete` is None where no format was asked for."""

    reason: FinishReason
    num_prompt_tokens: int
    num_cached_tokens: int
    num_completion_tokens: int
    queue_s: float
    prefill_s: float
    decode_s: float
    time_to_first_token_s: float
    format_complete: bool | None = None
    provenance: Provenance | None = None


Event: TypeAlias = Started | Chunk | Finished


@dataclass(frozen=True, slots=True)
class Latencies:
    """p50, p95, p99 in seconds; None when nothing was seen in the window."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a request would take now. Percentiles are p50 and p95, of seconds from now.

    `reason` is "" when it would be admitted, else that of the refusal.
    """

    num_prompt_tokens: int
    num_completion_tokens: int
    queue: Latencies
    time_to_first_token: Latencies
    completion: Latencies
    reason: str = ""
    retry_after_s: float | None = None

    @property
    def admitted(self) -> bool:
        """Whether it would be let in."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """How likely is each of `choices` after a prompt? `request` says which prompt, and how it waits.

    Choices are compared by log-probability, by that of a token on average with `normalize_by_length`.
    `min_margin`, 0 to 1: below it nobody wins; None is 0, or the task's.
    """

    request: Request
    choices: tuple[str, ...]
    normalize_by_length: bool = False
    min_margin: float | None = None
    include_tokens: bool = False


@dataclass(frozen=True, slots=True)
class TokenScore:
    """A token, its bytes, and the natural logarithm of its probability."""

    token: int
    text: bytes
    log_probability: float


@dataclass(frozen=True, slots=True)
class ChoiceScore:
    """One choice: its log-probability, what it is compared by, and the softmax of that over all choices."""

    choice: str
    log_probability: float
    num_tokens: int
    score: float
    probability: float
    tokens: tuple[TokenScore, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """`choices` as they were given. `winner` is an index, None when `margin` is below what was asked for."""

    started: Started
    finished: Finished
    choices: tuple[ChoiceScore, ...]
    winner: int | None
    margin: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """A prompt as the model sees it."""

    ids: list[int]
    context_length: int


@dataclass(frozen=True, slots=True)
class TasksState:
    """How the folder of tasks was read; `error` is why the last reading failed, "" when it did not.

    `num_pinned` prefixes of prompts were computed, over all models.
    """

    num_tasks: int = 0
    num_reloads: int = 0
    num_failed: int = 0
    error: str = ""
    num_pinned: int = 0


class ModelState(StrEnum):
    """Where a model is in its life."""

    AVAILABLE = "available"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model of this node; `info` is None unless it is loaded."""

    name: str
    state: ModelState
    is_default: bool = False
    error: str = ""
    digest: str = ""
    size_bytes: int = 0
    license: str = ""
    info: ModelInfo | None = None
    has_chat_template: bool = False
    num_restarts: int = 0
    progress: float = 0.0
    warning: str = ""


@dataclass(frozen=True, slots=True)
class ModelSample:
    """One loaded model's state for Metrics. Rates are the caller's to derive from the counters in `stats`."""

    name: str
    stats: Stats = field(default_factory=Stats)
    worker_pid: int = 0
    time_to_first_token: Latencies = Latencies()
    inter_token_latency: Latencies = Latencies()
    text_pid: int = 0
    num_text_restarts: int = 0


class Service(Protocol):
    """What server/ calls. Every method raises XappError subclasses only (and CancelledError)."""

    def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Exactly one Started first, exactly one Finished last, else it raises.

        Closing the generator, or cancelling its consumer, cancels the request in the worker.
        """
        ...

    async def estimate(self, request: Request) -> Estimate:
        """What `generate` would take now, and whether it would be let in. Runs nothing."""
        ...

    async def score(self, request: ScoreRequest) -> ScoreResult:
        """How likely each choice is. Cancelling the caller cancels the request in the worker."""
        ...

    async def tokenize(self, model: str, prompt: Prompt) -> Tokens:
        """A prompt in tokens, template applied."""
        ...

    def list_models(self) -> list[ModelStatus]:
        """Sorted by name."""
        ...

    def get_model(self, name: str) -> ModelStatus:
        """Raises NotFound."""
        ...

    def load_model(self, name: str) -> AsyncGenerator[ModelStatus, None]:
        """Yields at least one status; the last one is READY, else it raises."""
        ...

    async def unload_model(self, name: str) -> ModelStatus:
        """Drains, ends the worker; raises NotFound, FailedPrecondition for the default."""
        ...

    def samples(self) -> list[ModelSample]:
        """One for each loaded model."""
        ...

    def list_tasks(self) -> Sequence[Task]:
        """Sorted by name, then version."""
        ...

    @property
    def tasks_state(self) -> TasksState:
        """For metrics."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the default model serves and the service is not draining."""
        ...
