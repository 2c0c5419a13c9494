"""One request's tokens on their way from a worker to whoever reads them."""

import asyncio
from collections.abc import Callable

from xapp.engine.messages import SequenceFinished, SequenceStarted, Submit
from xapp.errors import XappError


class TokenStream:
    """Collects what arrives between two reads, so a slow reader gets fewer, larger pieces.

    One reader. Memory is bounded by the request's `max_tokens`. `first_at` and `last_at` are when
    the first and the last token arrived in this process, seconds on CLOCK_MONOTONIC; `num_tokens`
    have arrived. `log_probabilities` are the choices', once a request with choices has finished.
    """

    __slots__ = (
        "_error",
        "_loop",
        "_news",
        "_on_close",
        "_timer",
        "_tokens",
        "_waiter",
        "closed",
        "finished",
        "first_at",
        "last_at",
        "log_probabilities",
        "num_tokens",
        "request",
        "started",
    )

    def __init__(self, request: Submit, on_close: Callable[[int], None]) -> None:
        self.request = request
        self.started: SequenceStarted | None = None
        self.finished: SequenceFinished | None = None
        self.log_probabilities: list[list[float]] = []
        self.first_at: float | None = None
        self.last_at = 0.0
        self.num_tokens = 0
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._on_close = on_close
        self._tokens: list[int] = []
        self._news = False
        self._error: XappError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come from the worker."""
        return self.finished is not None or self._error is not None

    @property
    def done(self) -> bool:
        """Whether `finished` is set and every token before it was read."""
        return self.finished is not None and not self._tokens

    async def next(self) -> list[int]:
        """All tokens since the last read, in order; waits for news.

        Empty when the news is only `started` or `finished`. Not to be called once `done`.
        Raises the error given to `fail`, after the tokens before it.
        """
        assert self._waiter is None, "a stream has one reader"
        if not self._news:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._error is not None and not self._tokens:
            raise self._error
        tokens, self._tokens = self._tokens, []
        self._news = self._error is not None
        return tokens

    def close(self) -> None:
        """Cancels the request in the worker unless it has ended. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        self._stop_timer()
        if not self.ended:
            self._on_close(self.request.request_id)

    # ---- for the client that feeds it

    def push(self, token: int) -> None:
        """One more token."""
        self.num_tokens += 1
        self._tokens.append(token)
        self._wake()

    def on_started(self, started: SequenceStarted) -> None:
        """The worker began with the prompt."""
        self.started = started
        self._wake()

    def on_finished(self, finished: SequenceFinished) -> None:
        """The worker's last word, unless the stream has failed already."""
        if self.ended:
            return
        self.finished = finished
        self._stop_timer()
        self._wake()

    def fail(self, error: XappError) -> None:
        """Ends the stream with an error, unless it has ended already."""
        if self.ended:
            return
        self._error = error
        self._stop_timer()
        self._wake()

    def fail_at(self, when: float, error: XappError) -> None:
        """Calls `fail(error)` at that time on CLOCK_MONOTONIC, unless the stream ends before.

        Takes the place of an earlier time.
        """
        self._stop_timer()
        self._timer = self._loop.call_at(when, self.fail, error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._news = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
