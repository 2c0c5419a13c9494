"""A call from its caller's side, written down: its messages, its end, and whether its answer is its own."""

import asyncio
from time import monotonic

import grpc

from tests.robustness.history import Call, End, Event
from tests.server.rich import details_of
from xapp.backend.fake_rule import log_probability
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.status import DETAILS_KEY

IDENTITIES = ("planner", "watcher", "stranger")


class WrongAnswer(Exception):
    """The answer to a request without a stream is not its own."""


class ended:  # noqa: N801  used like a function
    """Writes down how a call ended."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def __aenter__(self) -> None:
        return

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, asyncio.CancelledError) and self._call.asked.cancel_after is None:
            return False
        self._call.ends.append(_end_of(error))
        return True


def _end_of(error: BaseException | None) -> End:
    now = monotonic()
    match error:
        case None:
            return End(now, "OK")
        case grpc.aio.AioRpcError():
            return End(now, error.code().name, _reason(error), error.details() or "")
        case asyncio.CancelledError():
            return End(now, "CANCELLED")
    return End(now, type(error).__name__, details=str(error))


def _reason(error: grpc.aio.AioRpcError) -> str:
    """The reason in the status; "" where the caller's own gRPC ended the call."""
    if not any(key == DETAILS_KEY for key, _ in error.trailing_metadata() or ()):
        return ""
    return str(details_of(error).info.reason)


def event_of(message: pb.GenerateResponse) -> Event:
    """A message of a stream."""
    now = monotonic()
    if message.HasField("chunk"):
        return Event(now, "chunk", message.chunk.text, message.chunk.num_tokens)
    if message.HasField("finished"):
        end = message.finished
        reason = pb.FinishReason.Name(end.finish_reason).removeprefix("FINISH_REASON_")
        return Event(now, "finished", num_tokens=end.usage.num_completion_tokens, reason=reason)
    return Event(now, "started")


def bearer(identity: str) -> tuple[tuple[str, str], ...]:
    """The metadata of an identity's call: its token is its name."""
    return (("authorization", f"Bearer {identity}"),)


def check_scores(prompt: str, answer: pb.ScoreResponse) -> None:
    """Raises WrongAnswer unless each choice has the fake's likelihood behind this prompt."""
    for choice in answer.choices:
        content = list(prompt.encode())
        total = 0.0
        for token in choice.choice.encode():
            total += log_probability(content, token)
            content.append(token)
        if abs(total - choice.log_probability) > 1e-6:
            raise WrongAnswer(
                f"{choice.choice!r} behind {prompt!r} has {choice.log_probability}, not {total}"
            )
