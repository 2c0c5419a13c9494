"""TokenRecord: all events of one request from a worker, for one reader or several."""

from array import array
from collections.abc import Callable
from typing import Protocol

from xapp.domain.messages import SequenceFinished, SequenceStarted, Submit, TokenReport
from xapp.errors import XappError


class Reader(Protocol):
    """A reader of a record, which is a `token_stream.TokenStream`."""

    def wake(self) -> None:
        """Called when there is something to read."""
        ...

    def stop_timer(self) -> None:
        """Called when the record has ended, so that the reader's deadline no longer matters."""
        ...

    def end_at_deadline(self) -> None:
        """Called when the record's deadline differs from the reader's: the reader then ends itself at its
        own.
        """
        ...


class TokenRecord:
    """All events of one request, kept until the end: a reader may join at any time.

    `reports` are parallel to `tokens` where the request asks for reports, otherwise empty. Memory is bounded
    by the request's `max_tokens`, that of `vectors` by its texts. `first_at` and `last_at` are the arrival
    times of the first and the last token in this process, seconds on CLOCK_MONOTONIC. `deadline` is the
    worker's deadline.
    """

    __slots__ = (
        "_cancel",
        "_extend",
        "deadline",
        "doubts",
        "drawn",
        "error",
        "finished",
        "first_at",
        "last_at",
        "log_probabilities",
        "readers",
        "reports",
        "request",
        "started",
        "tokens",
        "vectors",
    )

    def __init__(
        self, request: Submit, cancel: Callable[[int], None], extend: Callable[[int, float], None]
    ) -> None:
        self.request = request
        self.tokens = array("i")
        self.started: SequenceStarted | None = None
        self.finished: SequenceFinished | None = None
        self.error: XappError | None = None
        self.log_probabilities: list[list[float]] = []
        self.reports: list[TokenReport] = []
        self.drawn: list[int] = []
        self.vectors = bytearray()
        self.doubts: set[int] = set()
        self.first_at: float | None = None
        self.last_at = 0.0
        self.deadline = request.deadline
        self.readers: list[Reader] = []
        self._cancel = cancel
        self._extend = extend

    @property
    def ended(self) -> bool:
        """Whether the worker's final event arrived, or the record failed."""
        return self.finished is not None or self.error is not None

    @property
    def joinable(self) -> bool:
        """Whether a reader can join: the request is still computed, and has a reader."""
        return bool(self.readers) and not self.ended

    # ---- readers

    def leave(self, reader: Reader) -> None:
        """Removes a reader. Without readers the request is cancelled in the worker, unless it has ended."""
        if reader in self.readers:
            self.readers.remove(reader)
            if not self.readers and not self.ended:
                self._cancel(self.request.request_id)

    def extend(self, deadline: float) -> None:
        """Postpones the worker's deadline to `deadline`, if that is later."""
        if self.deadline is not None and self.deadline < deadline:
            self.deadline = deadline
            self._extend(self.request.request_id, deadline)

    # ---- called by the client

    def push(self, token: int) -> None:
        """Appends a token. This runs for every token."""
        self.tokens.append(token)
        for reader in self.readers:
            reader.wake()

    def on_started(self, started: SequenceStarted) -> None:
        """The worker started the prompt."""
        self.started = started
        for reader in self.readers:
            reader.wake()

    def on_finished(self, finished: SequenceFinished) -> None:
        """The final event of the worker. It is ignored after a failure."""
        if not self.ended:
            self.finished = finished
            self._end()

    def fail(self, error: XappError) -> None:
        """Ends the record for all readers with an error, unless it has ended already."""
        if not self.ended:
            self.error = error
            self._end()

    def _end(self) -> None:
        for reader in self.readers:
            reader.stop_timer()
            reader.wake()
