"""Latencies of one model's tokens: percentiles of the last minute, and histograms since its load."""

from array import array
from bisect import bisect_left
from time import monotonic

from xapp.domain.answers import Latencies
from xapp.domain.states import DurationHistogram
from xapp.telemetry.percentile import nearest_rank

WINDOW_S = 60.0
MAX_SAMPLES = 8192
GAPS_AT_ONCE = 64
TTFT_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
ITL_BOUNDS_S = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)


class LatencyWindow:
    """The values of the last 60 s, at most 8192; with more values the window is shorter."""

    def __init__(self, size: int = MAX_SAMPLES) -> None:
        self._at = array("d", [float("-inf")]) * size
        self._value = array("d", [0.0]) * size
        self._next = 0

    def add(self, value_s: float, now: float) -> None:
        """Adds a duration, seconds."""
        index = self._next
        self._at[index] = now
        self._value[index] = value_s
        self._next = (index + 1) % len(self._at)

    def latencies(self, now: float) -> Latencies:
        """Percentiles by nearest rank."""
        seen = sorted(self._since(now - WINDOW_S))
        if not seen:
            return Latencies()
        return Latencies(*(nearest_rank(seen, percent) for percent in (50, 95, 99)))

    def _since(self, since: float) -> "array[float]":
        # Times ascend from the oldest value, which is at `_next`, to the end, and on from the start.
        begin, end = self._next, len(self._at)
        older = bisect_left(self._at, since, begin, end)
        newer = bisect_left(self._at, since, 0, begin)
        return self._value[older:end] + self._value[newer:begin]


class LatencyHistogram:
    """Counts of durations up to each of `bounds_s`, in ascending order."""

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def add(self, value_s: float) -> None:
        """Adds a duration, seconds."""
        self._counts[bisect_left(self._bounds_s, value_s)] += 1
        self._sum_s += value_s

    @property
    def now(self) -> DurationHistogram:
        """The present counts."""
        return DurationHistogram(self._bounds_s, tuple(self._counts), self._sum_s)


class ModelLatencies:
    """Collects the latencies of each step of a model."""

    def __init__(self) -> None:
        self._first_window, self._first_histogram = LatencyWindow(), LatencyHistogram(TTFT_BOUNDS_S)
        self._gap_window, self._gap_histogram = LatencyWindow(), LatencyHistogram(ITL_BOUNDS_S)
        self._untold: list[float] = []

    def add_first_token(self, time_to_first_token_s: float) -> None:
        """Adds the time from a request to its first token."""
        self._first_window.add(time_to_first_token_s, monotonic())
        self._first_histogram.add(time_to_first_token_s)

    def add_gaps(self, gaps_s: list[float]) -> None:
        """Adds gaps between the tokens of requests, in one call: this code runs for every token."""
        self._untold += gaps_s
        if len(self._untold) >= GAPS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        gaps, self._untold = self._untold, []
        now = monotonic()
        for gap in gaps:
            self._gap_window.add(gap, now)
            self._gap_histogram.add(gap)

    @property
    def time_to_first_token(self) -> Latencies:
        """Over the last minute."""
        return self._first_window.latencies(monotonic())

    @property
    def inter_token_latency(self) -> Latencies:
        """Percentiles of the last minute, over all requests."""
        self._flush()
        return self._gap_window.latencies(monotonic())

    @property
    def time_to_first_token_histogram(self) -> DurationHistogram:
        """The histogram since the model's load."""
        return self._first_histogram.now

    @property
    def inter_token_latency_histogram(self) -> DurationHistogram:
        """The histogram since the model's load, over all requests."""
        self._flush()
        return self._gap_histogram.now
