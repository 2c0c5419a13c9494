"""Converts MetricsRequest."""

from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb

MIN_INTERVAL_S = 0.1
MAX_INTERVAL_S = 3600.0
DEFAULT_INTERVAL_S = 1.0

_MAX_NANOS = 999_999_999


def to_interval_s(wire: pb.MetricsRequest) -> float:
    """Seconds between samples."""
    if not wire.HasField("interval"):
        return DEFAULT_INTERVAL_S
    interval = wire.interval
    seconds = interval.seconds + interval.nanos * 1e-9
    if abs(interval.nanos) > _MAX_NANOS or not MIN_INTERVAL_S <= seconds <= MAX_INTERVAL_S:
        raise InvalidArgument("interval", f"{seconds:g} s is out of range: it must be 100 ms to 1 h")
    return seconds


def to_count(wire: pb.MetricsRequest) -> int | None:
    """Number of samples; None: until the call is cancelled."""
    if not wire.HasField("count"):
        return None
    if wire.count < 1:
        raise InvalidArgument("count", f"{wire.count} is out of range: it must be at least 1")
    return wire.count
