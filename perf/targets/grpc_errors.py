"""What a status of gRPC means to a benchmark."""

import grpc

from perf.targets.target import TargetError
from xapp.client import ClientError, decode_error

CONNECT_TIMEOUT_S = 10.0
_NOT_GRPC = ("http1.x server", "Failed parsing HTTP/2")
_NOBODY = ("failed to connect", "errors resolving", "DNS resolution failed")
_CODES = {
    "UNIMPLEMENTED": "protocol",
    "DEADLINE_EXCEEDED": "deadline",
    "RESOURCE_EXHAUSTED": "refused",
    "UNAUTHENTICATED": "refused",
    "PERMISSION_DENIED": "refused",
    "NOT_FOUND": "missing_model",
    "INVALID_ARGUMENT": "invalid",
    "FAILED_PRECONDITION": "refused",
}
_LOST_REASONS = {"WORKER_LOST", "WORKER_STALLED"}


def target_error(
    address: str, error: grpc.aio.AioRpcError, *, connecting: bool = False, begun: bool = False
) -> TargetError:
    """What a status means to a benchmark. `begun`: some of the answer had come."""
    told = decode_error(error)
    return TargetError(
        _code(told, begun), _message(address, told, connecting), retry_after_s=told.retry_after_s
    )


def _code(told: ClientError, begun: bool) -> str:
    if told.code != "UNAVAILABLE":
        return _CODES.get(told.code, "lost")
    if any(sign in told.message for sign in _NOT_GRPC):
        return "protocol"
    if told.reason:
        return "lost" if told.reason in _LOST_REASONS else "refused"
    nobody = any(sign in told.message for sign in _NOBODY)
    return "unreachable" if nobody and not begun else "lost"


def _message(address: str, told: ClientError, connecting: bool) -> str:
    if told.code == "UNIMPLEMENTED":
        return f"{address} speaks gRPC, but is no genai-xapp node: {told.message}"
    if told.code == "UNAVAILABLE" and any(sign in told.message for sign in _NOT_GRPC):
        return (
            f"{address} does not speak gRPC (an HTTP server there is measured with --openai): {told.message}"
        )
    if connecting and told.code == "DEADLINE_EXCEEDED":
        return f"{address} did not answer within {CONNECT_TIMEOUT_S:g} s"
    return f"{address}: {told.message or told.code}"
