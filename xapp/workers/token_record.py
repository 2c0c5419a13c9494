"""What a worker says of one request, collected for one reader or several."""

from array import array
from collections.abc import Callable
from typing import Protocol

from xapp.domain.messages import SequenceFinished, SequenceStarted, Submit
from xapp.errors import XappError


class Reader(Protocol):
    """Whoever reads a record; `token_stream.TokenStream`."""

    def wake(self) -> None:
        """There is something to read."""
        ...

    def stop_timer(self) -> None:
        """The record has ended: no deadline matters any more."""
        ...

    def end_at_deadline(self) -> None:
        """The record's deadline is another than this reader's, who ends itself at its own from now on."""
        ...


class TokenRecord:
    """All that a worker has said of one request. It is kept to the end: readers may come at any time.

    Memory is bounded by the request's `max_tokens`. `first_at` and `last_at` are when the first and the
    last token arrived in this process, seconds on CLOCK_MONOTONIC. `deadline` is the worker's.
    """

    __slots__ = (
        "_cancel",
        "_extend",
        "deadline",
        "error",
        "finished",
        "first_at",
        "last_at",
        "log_probabilities",
        "readers",
        "request",
        "started",
        "tokens",
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
        self.first_at: float | None = None
        self.last_at = 0.0
        self.deadline = request.deadline
        self.readers: list[Reader] = []
        self._cancel = cancel
        self._extend = extend

    @property
    def ended(self) -> bool:
        """Whether nothing more will come from the worker."""
        return self.finished is not None or self.error is not None

    @property
    def joinable(self) -> bool:
        """Whether it is still computed: somebody reads, and the end is to come."""
        return bool(self.readers) and not self.ended

    # ---- readers

    def leave(self, reader: Reader) -> None:
        """The last one who leaves cancels the request in the worker, unless it has ended."""
        if reader in self.readers:
            self.readers.remove(reader)
            if not self.readers and not self.ended:
                self._cancel(self.request.request_id)

    def extend(self, deadline: float) -> None:
        """The worker goes on until then at least."""
        if self.deadline is not None and self.deadline < deadline:
            self.deadline = deadline
            self._extend(self.request.request_id, deadline)

    # ---- for the client that feeds it

    def push(self, token: int) -> None:
        """One more token: the path of every token."""
        self.tokens.append(token)
        for reader in self.readers:
            reader.wake()

    def on_started(self, started: SequenceStarted) -> None:
        """The worker began with the prompt."""
        self.started = started
        for reader in self.readers:
            reader.wake()

    def on_finished(self, finished: SequenceFinished) -> None:
        """The worker's last word, unless the record has failed already."""
        if not self.ended:
            self.finished = finished
            self._end()

    def fail(self, error: XappError) -> None:
        """Ends it for all readers with an error, unless it has ended already."""
        if not self.ended:
            self.error = error
            self._end()

    def _end(self) -> None:
        for reader in self.readers:
            reader.stop_timer()
            reader.wake()
