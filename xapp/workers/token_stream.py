"""TokenStream: one reader's view of a request's tokens from a worker."""

import asyncio

from xapp.domain.messages import SequenceFinished, SequenceStarted, Submit, TokenReport
from xapp.errors import DeadlineExceeded, XappError
from xapp.workers.token_record import TokenRecord


class TokenStream:
    """One reader of a record. A slow reader gets fewer and larger pieces, and delays nobody.

    `request` is the reader's own request. After a join the computed request is another one, and `joined_at`
    is the time of the join on CLOCK_MONOTONIC; otherwise None.
    """

    __slots__ = (
        "_error",
        "_loop",
        "_news",
        "_position",
        "_timer",
        "_until",
        "_waiter",
        "closed",
        "joined_at",
        "record",
        "request",
    )

    def __init__(self, record: TokenRecord, request: Submit, joined_at: float | None = None) -> None:
        self.record = record
        self.request = request
        self.joined_at = joined_at
        self.closed = False
        self._position = 0
        self._until: int | None = None
        self._loop = asyncio.get_running_loop()
        # A reader that joins is woken at once: the join is news.
        self._news = joined_at is not None
        self._error: XappError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        record.readers.append(self)

    # ---- state

    @property
    def started(self) -> SequenceStarted | None:
        """Set once the worker has started the prompt."""
        return self.record.started

    @property
    def finished(self) -> SequenceFinished | None:
        """The final event of the worker; None for a reader that failed before."""
        return self.record.finished if self._error is None else None

    @property
    def first_at(self) -> float | None:
        """When the first token arrived, for any reader."""
        return self.record.first_at

    @property
    def last_at(self) -> float:
        """When the latest token arrived."""
        return self.record.last_at

    @property
    def num_tokens(self) -> int:
        """Tokens that have arrived, read or not."""
        return len(self.record.tokens)

    @property
    def log_probabilities(self) -> list[list[float]]:
        """The log-probabilities of choices, once a request with choices has finished."""
        return self.record.log_probabilities

    @property
    def vectors(self) -> bytearray:
        """The vectors of texts, once a request for them has finished."""
        return self.record.vectors

    @property
    def reports(self) -> list[TokenReport]:
        """Parallel to the tokens of the record, where the request asks for reports."""
        return self.record.reports

    @property
    def ended(self) -> bool:
        """Whether no further event will come."""
        return self._error is not None or self.record.ended

    @property
    def done(self) -> bool:
        """Whether `finished` is set and all tokens were read."""
        record = self.record
        return record.finished is not None and self._error is None and self._position == len(record.tokens)

    # ---- reading

    async def next(self) -> list[int]:
        """All tokens since the last read, in order. Waits for news.

        Empty when the only news is `started`, `finished` or a join. Not to be called once
        `done`. Raises the error given to `fail`, after the tokens before it.
        """
        assert self._waiter is None, "a stream has one reader"
        if not self._news:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        record = self.record
        tokens = record.tokens[self._position : self._until].tolist()
        error = self._error or record.error
        if error is not None and not tokens:
            raise error
        self._position += len(tokens)
        self._news = error is not None
        return tokens

    def close(self) -> None:
        """Removes this reader. Without readers the request is cancelled in the worker. Safe to call twice."""
        self.closed = True
        self.stop_timer()
        self.record.leave(self)

    # ---- several readers

    def join(self, request: Submit) -> "TokenStream":
        """One more reader of the same tokens; `request` has its own arrival and deadline.

        From now on the worker has the latest deadline, and each reader ends itself at its own deadline.
        """
        assert request.deadline is not None
        record = self.record
        reader = TokenStream(record, request, self._loop.time())
        record.extend(request.deadline)
        for each in record.readers:
            each.end_at_deadline()
        return reader

    def end_at_deadline(self) -> None:
        """Ends this reader at its own deadline, whatever the deadline of the computation."""
        assert self.request.deadline is not None
        self.stop_timer()
        self._timer = self._loop.call_at(self.request.deadline, self._expire)

    def _expire(self) -> None:
        self.fail(DeadlineExceeded(f"the deadline passed after {self.num_tokens} tokens"))

    # ---- the end

    def fail(self, error: XappError) -> None:
        """Ends this reader with an error and removes it, unless it has ended already."""
        if self.ended:
            return
        self._error = error
        self._until = self.num_tokens
        self.stop_timer()
        self.record.leave(self)
        self.wake()

    def fail_at(self, when: float, error: XappError) -> None:
        """Calls `fail(error)` at that time on CLOCK_MONOTONIC, unless the stream ends before.

        Replaces an earlier call.
        """
        self.stop_timer()
        self._timer = self._loop.call_at(when, self.fail, error)

    def stop_timer(self) -> None:
        """Cancels the call of `fail_at`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def wake(self) -> None:
        """Wakes the reader: there is something to read."""
        self._news = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
