"""What a request is between server/ and engine/: domain types, no wire types.

Times are seconds; points in time are on CLOCK_MONOTONIC.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from xapp.engine.messages import FinishReason, ModelInfo, Priority, SamplingParams, Stats


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn; `role` is system, user or assistant."""

    role: str
    content: str


Prompt: TypeAlias = str | tuple[ChatMessage, ...]
"""Text as it is, or a conversation for the model's template."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked, immutable, not yet checked against the model.

    `model` "" is the default. `sampling.seed` None draws one. `deadline` None takes the default.
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


@dataclass(frozen=True, slots=True)
class Started:
    """First event of a stream."""

    model: str
    model_digest: str
    num_prompt_tokens: int
    num_cached_tokens: int
    queue_s: float
    seed: int
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole characters, and the tokens they account for."""

    text: str
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event of a stream."""

    reason: FinishReason
    num_prompt_tokens: int
    num_cached_tokens: int
    num_completion_tokens: int
    queue_s: float
    prefill_s: float
    decode_s: float
    time_to_first_token_s: float


Event: TypeAlias = Started | Chunk | Finished


@dataclass(frozen=True, slots=True)
class Tokens:
    """A prompt as the model sees it."""

    ids: list[int]
    context_length: int


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


@dataclass(frozen=True, slots=True)
class Latencies:
    """p50, p95, p99 in seconds; None when nothing was seen in the window."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class ModelSample:
    """One loaded model's state for Metrics. Rates are the caller's to derive from the counters in `stats`."""

    name: str
    stats: Stats = field(default_factory=Stats)
    worker_pid: int = 0
    time_to_first_token: Latencies = Latencies()
    inter_token_latency: Latencies = Latencies()


class Service(Protocol):
    """What server/ calls. Every method raises XappError subclasses only (and CancelledError)."""

    def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Exactly one Started first, exactly one Finished last, else it raises.

        Closing the generator, or cancelling its consumer, cancels the request in the worker.
        """
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

    @property
    def ready(self) -> bool:
        """Whether the default model serves and the service is not draining."""
        ...
