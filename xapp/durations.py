"""Durations in seconds, as protobuf defines them."""

from google.protobuf.duration_pb2 import Duration

MOST_S = 315_576_000_000
"""The limit of Duration: about 10,000 years."""


def to_duration(seconds: float) -> Duration:
    """Rounds to the nanosecond. Raises ValueError beyond MOST_S either way, and for NaN."""
    if not abs(seconds) <= MOST_S:
        raise ValueError(f"{seconds:g} s is no duration")
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
