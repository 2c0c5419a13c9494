"""Converts what bounds a request: its length, its deadline and its gaps."""

from google.protobuf.duration_pb2 import Duration

from xapp.domain.requests import DeadlinePolicy
from xapp.durations import MOST_S
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb

_MAX_NANOS = 999_999_999

_DEADLINE_POLICIES = {
    pb.DEADLINE_POLICY_UNSPECIFIED: DeadlinePolicy.REJECT,
    pb.DEADLINE_POLICY_REJECT: DeadlinePolicy.REJECT,
    pb.DEADLINE_POLICY_BEST_EFFORT: DeadlinePolicy.BEST_EFFORT,
}


def to_max_tokens(wire: pb.GenerateRequest | pb.EstimateRequest) -> int | None:
    """The longest answer, tokens; None where the caller set none."""
    if not wire.HasField("max_tokens"):
        return None
    if wire.max_tokens < 1:
        raise InvalidArgument("max_tokens", f"{wire.max_tokens} is out of range: it must be at least 1")
    return wire.max_tokens


def to_deadline_policy(wire: pb.DeadlinePolicy.ValueType) -> DeadlinePolicy:
    """The action for a deadline that will be missed. Unknown numbers are refused."""
    if (policy := _DEADLINE_POLICIES.get(wire)) is None:
        raise InvalidArgument("deadline_policy", f"{wire} is no deadline policy")
    return policy


def to_max_gap_s(wire: pb.GenerateRequest | pb.EstimateRequest) -> float | None:
    """The longest time between two tokens, seconds; None: no limit."""
    if not wire.HasField("max_token_gap"):
        return None
    seconds = to_seconds(wire.max_token_gap, "max_token_gap")
    if seconds <= 0:
        raise InvalidArgument("max_token_gap", f"must be more than 0, is {seconds} s")
    return seconds


def to_seconds(wire: Duration, field: str) -> float:
    """Seconds of a Duration. `field` is its path in the proto."""
    nanos_fit = abs(wire.nanos) <= _MAX_NANOS and wire.seconds * wire.nanos >= 0
    if not nanos_fit or abs(wire.seconds) > MOST_S:
        raise InvalidArgument(field, "is no valid Duration")
    return wire.seconds + wire.nanos * 1e-9
