"""The seam between a mode and the server it measures: a Protocol with a gRPC and an HTTP side, and a fake.

Times are seconds on the client's CLOCK_MONOTONIC.
"""

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from perf.record import result_schema
from perf.stream_figures import Arrival, Stream


class TargetError(Exception):
    """The target is not there, ended in the middle, refused, or speaks something else.

    `code` is short and stable: `unreachable`, `lost`, `refused`, `protocol`, `deadline`, `missing_model`,
    `invalid` (the request itself: a prompt longer than the context, for one).
    `retry_after_s` is what a refusal said.
    """

    def __init__(self, code: str, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Turn:
    """One message; `role` is system, user or assistant."""

    role: str
    content: str


Input: TypeAlias = str | tuple[Turn, ...]
"""Text continued as it is, or a conversation for the server's chat template."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One greedy request. `deadline_s` counts from sending; None leaves it to the server."""

    input: Input
    max_tokens: int
    ignore_eos: bool = False
    deadline_s: float | None = None
    priority: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request. None where the target does not tell.

    `prefill_s` and `decode_s` are by the server's own clock. `bytes_received` counts the payload of
    the answer's messages: for gRPC the protobuf, for HTTP the body.
    """

    sent: float
    arrivals: list[Arrival]
    text: str
    finish_reason: str
    num_prompt_tokens: int | None = None
    num_cached_tokens: int | None = None
    num_completion_tokens: int | None = None
    queue_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    bytes_sent: int = 0
    bytes_received: int = 0
    extra: dict[str, float] = field(default_factory=dict)

    @property
    def time_to_first_token_s(self) -> float:
        """TTFT, by the client's clock."""
        return self.arrivals[0].at - self.sent

    @property
    def end_s(self) -> float:
        """End to end, by the client's clock: sending to the last token."""
        return self.arrivals[-1].at - self.sent

    @property
    def stream(self) -> Stream:
        """Its times and tokens alone."""
        return Stream(self.sent, self.arrivals, self.num_cached_tokens)


class Call(Protocol):
    """One request under way."""

    async def first_token(self) -> None:
        """Returns when the first token is there. Raises TargetError when the answer ended without any."""
        ...

    async def finish(self) -> Answer:
        """Waits for the end. Raises TargetError; what came before is lost with it."""
        ...

    def cancel(self) -> Stream:
        """Ends the request, at the server too; what came so far. Does nothing to one that has ended."""
        ...


class Target(Protocol):
    """One server and one model on it. Used from one asyncio loop."""

    async def describe(self) -> result_schema.Target:
        """Who answers. Raises TargetError when nobody does, or somebody else."""
        ...

    async def complete(self, request: CompletionRequest) -> Answer:
        """One answer, streamed. Raises TargetError; what came before is lost with it.

        Cancelling it cancels the request at the server.
        """
        ...

    async def count_tokens(self, input: Input) -> int:  # noqa: A002  (the contract's own word)
        """Prompt tokens as `complete` would have. Raises TargetError where the server cannot tell."""
        ...

    async def aclose(self) -> None:
        """Ends connections. Safe to call twice."""
        ...


class StreamingTarget(Target, Protocol):
    """A Target whose answers can be watched while they come."""

    async def start(self, request: CompletionRequest) -> Call:
        """Sends one request. Raises TargetError when nobody can be reached."""
        ...
