"""What a client saw of its streams, and the figures that follow from it.

Times are seconds on one monotonic clock. A stream is a list of arrivals in order; an arrival is a
time and the number of tokens that came with it.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from xapp.telemetry import percentile as ranks

percentile = ranks.percentile


class Arrival(msgspec.Struct, frozen=True, array_like=True):
    """Tokens that reached the client together."""

    at: float
    num_tokens: int


class Stream(msgspec.Struct, frozen=True):
    """One answer: when it was asked for, what came when. `num_cached_tokens` is None where unknown."""

    sent: float
    arrivals: list[Arrival]
    num_cached_tokens: int | None = None

    @property
    def num_tokens(self) -> int:
        """Tokens received."""
        return sum(arrival.num_tokens for arrival in self.arrivals)

    @property
    def first_at(self) -> float:
        """When the first token came. Raises ValueError when none did."""
        if not self.arrivals:
            raise ValueError("the stream brought no token")
        return self.arrivals[0].at

    @property
    def last_at(self) -> float:
        """When the last token came. Raises ValueError when none did."""
        if not self.arrivals:
            raise ValueError("the stream brought no token")
        return self.arrivals[-1].at

    @property
    def time_to_first_token(self) -> float:
        """From asking to the first token, seconds."""
        return self.first_at - self.sent

    def gaps(self, start: float = float("-inf"), end: float = float("inf")) -> list[float]:
        """Times between neighbouring arrivals, of those gaps that overlap start to end."""
        pairs = pairwise(arrival.at for arrival in self.arrivals)
        return [after - before for before, after in pairs if after > start and before < end]


def steady_window(streams: Sequence[Stream]) -> tuple[float, float]:
    """From when every stream has its first token to when the first stream ends."""
    return max(stream.first_at for stream in streams), min(stream.last_at for stream in streams)


def steady_rate(streams: Sequence[Stream]) -> float:
    """Decode tokens a second of all streams together over the steady window.

    The sum of each stream's own rate between its first and last arrival inside the window: counting
    all tokens between two instants instead would be off by up to a token a stream at each edge.
    Raises ValueError when a stream has fewer than two arrivals there.
    """
    start, end = steady_window(streams)
    return sum(_rate(_inside(stream, start, end)) for stream in streams)


def _inside(stream: Stream, start: float, end: float) -> list[Arrival]:
    return [arrival for arrival in stream.arrivals if start <= arrival.at <= end]


def _rate(arrivals: list[Arrival]) -> float:
    if len(arrivals) < 2:
        raise ValueError("the streams did not overlap: no steady window")
    tokens = sum(arrival.num_tokens for arrival in arrivals[1:])
    return tokens / (arrivals[-1].at - arrivals[0].at)


def inter_token_latencies(streams: Iterable[Stream]) -> list[float]:
    """The gaps of all streams, pooled."""
    return [gap for stream in streams for gap in stream.gaps()]
