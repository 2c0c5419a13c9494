"""What the service tells whoever counts, and the latencies of the last minute that it keeps itself.

xapp/telemetry/metrics.py implements Observer; its calls run on the event loop, so they must be cheap and
must not raise.
"""

from array import array
from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from xapp.domain.answers import Finished, Latencies, Started
from xapp.domain.states import ModelState

WINDOW_S = 60.0
MAX_SAMPLES = 8192
GAPS_AT_ONCE = 64


class Observer(Protocol):
    """Is told what happens. `model` is the served model's name."""

    def on_started(self, model: str, started: Started) -> None:
        """A request has its first work done: queue time, prompt tokens, cached tokens."""
        ...

    def on_first_token(self, model: str, time_to_first_token_s: float) -> None:
        """A request's first token arrived, this long after the request."""
        ...

    def on_tokens(self, model: str, gaps_s: Sequence[float]) -> None:
        """Tokens came, each this long after the one before in its request: told some dozens at a time."""
        ...

    def on_finished(self, model: str, outcome: str, finished: Finished | None) -> None:
        """A request ended, whichever way, once each.

        `outcome` is "stop", "length", "cancelled", or an error's reason in lower case, for instance
        "queue_full"; `finished` is None unless the stream ended well.
        """
        ...

    def on_state(self, model: str, state: ModelState) -> None:
        """A model's state changed; AVAILABLE means that it is no longer loaded."""
        ...


class NullObserver:
    """Counts nothing."""

    def on_started(self, model: str, started: Started) -> None:
        """Ignored."""

    def on_first_token(self, model: str, time_to_first_token_s: float) -> None:
        """Ignored."""

    def on_tokens(self, model: str, gaps_s: Sequence[float]) -> None:
        """Ignored."""

    def on_finished(self, model: str, outcome: str, finished: Finished | None) -> None:
        """Ignored."""

    def on_state(self, model: str, state: ModelState) -> None:
        """Ignored."""


class LatencyWindow:
    """The last 60 s of a duration, at most 8192 values: then the window is shorter."""

    def __init__(self, size: int = MAX_SAMPLES) -> None:
        self._at = array("d", [float("-inf")]) * size
        self._value = array("d", [0.0]) * size
        self._next = 0

    def add(self, value_s: float, now: float) -> None:
        """One more."""
        index = self._next
        self._at[index] = now
        self._value[index] = value_s
        self._next = (index + 1) % len(self._at)

    def latencies(self, now: float) -> Latencies:
        """Percentiles by nearest rank: each is a value that was seen."""
        since = now - WINDOW_S
        seen = sorted(value for at, value in zip(self._at, self._value, strict=True) if at >= since)
        if not seen:
            return Latencies()
        return Latencies(*(seen[_rank(len(seen), percent)] for percent in (50, 95, 99)))


def _rank(count: int, percent: int) -> int:
    return max(0, -(-count * percent // 100) - 1)


class ModelProbe:
    """One model's engine.client.StepObserver: keeps the windows, passes on to the Observer."""

    def __init__(self, model: str, observer: Observer) -> None:
        self._model = model
        self._observer = observer
        self._first = LatencyWindow()
        self._gaps = LatencyWindow()
        self._untold: list[float] = []

    def on_first_token(self, time_to_first_token_s: float) -> None:
        """A request's first token."""
        self._first.add(time_to_first_token_s, monotonic())
        self._observer.on_first_token(self._model, time_to_first_token_s)

    def on_gaps(self, gaps_s: list[float]) -> None:
        """One step's tokens. They are put together: this is on the path of every token."""
        self._untold += gaps_s
        if len(self._untold) >= GAPS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Tells what was put together."""
        gaps, self._untold = self._untold, []
        now = monotonic()
        for gap in gaps:
            self._gaps.add(gap, now)
        if gaps:
            self._observer.on_tokens(self._model, gaps)

    @property
    def time_to_first_token(self) -> Latencies:
        """Over the last minute."""
        return self._first.latencies(monotonic())

    @property
    def inter_token_latency(self) -> Latencies:
        """Over the last minute, pooled over requests."""
        self.flush()
        return self._gaps.latencies(monotonic())
