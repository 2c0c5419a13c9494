"""Seconds as protobuf says them."""

from google.protobuf.duration_pb2 import Duration

MOST_S = 315_576_000_000
"""The contract of Duration: about 10,000 years."""


def to_duration(seconds: float) -> Duration:
    """To the nanosecond. Raises ValueError for more than MOST_S either way, and for what is no number."""
    if not abs(seconds) <= MOST_S:
        raise ValueError(f"{seconds:g} s is no duration")
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
