"""What the services of speech share."""

from collections.abc import Iterator
from contextlib import contextmanager

from xapp.config import Settings, SpeechSettings
from xapp.edge.limit import Limit
from xapp.edge.watchdog import Watchdog, WatchedStream
from xapp.telemetry.metrics import Metrics

_ENVELOPE_BYTES = 64 * 1024
"""Room in an answer beside its audio."""


class Shared:
    """The limits and the metrics. All calls together have `[speech] max_streams` places."""

    def __init__(self, settings: Settings, metrics: Metrics, watchdog: Watchdog) -> None:
        self.table: SpeechSettings = settings.speech
        self.max_audio_bytes = max(_ENVELOPE_BYTES, settings.server.max_message_bytes - _ENVELOPE_BYTES)
        self.metrics = metrics
        self._watchdog = watchdog
        self._calls = Limit("speech calls", settings.speech.max_streams)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for a call. Raises Exhausted."""
        with self._calls.hold():
            yield

    @contextmanager
    def stream(self) -> Iterator[WatchedStream]:
        """A place for a call that writes a stream. Raises Exhausted."""
        with self._calls.hold(), self._watchdog.watch() as stream:
            yield stream
