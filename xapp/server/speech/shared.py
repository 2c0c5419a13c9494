"""What the services of speech share."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from xapp.config import Settings, SpeechSettings
from xapp.edge.limit import Limit
from xapp.edge.watchdog import Watchdog, WatchedStream
from xapp.server.speech.messages import FIRST_S, M, next_message
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

    @asynccontextmanager
    async def opened(self, requests: AsyncIterator[M]) -> AsyncIterator[tuple[WatchedStream, M | None]]:
        """A place for a call with two streams: the stream that it writes, and the first message to it.

        The message is None where the caller ends without a message. Raises Exhausted, and Aborted when no
        message comes within FIRST_S.
        """
        with self._calls.hold(), self._watchdog.watch() as stream:
            yield stream, await next_message(requests, FIRST_S)
