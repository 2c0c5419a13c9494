"""DraftSource: the little model's guesses behind tokens that are settled one batch after the other.

The little model's worker runs ahead by itself: it computes the next guesses while a verification travels.
A wrong guess ends its sequence. The next sequence begins behind the settled tokens, whose cells the worker
still has.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from xapp.domain.messages import FinishReason, SequenceFinished, SequenceStarted, Submit
from xapp.errors import DeadlineExceeded, Unavailable
from xapp.workers.token_stream import TokenStream


@dataclass(frozen=True, slots=True)
class Drafts:
    """`doubtful`: the model was unsure of the token behind them. `ended`: it ended its answer behind them."""

    tokens: tuple[int, ...] = ()
    doubtful: bool = False
    ended: bool = False


class DraftSource:
    """Belongs to one answer. `tokens` are the settled tokens, which the owner appends to.

    `request` is the answer's own request, with `doubt_below`. `ahead`: batches that the little model may be
    ahead.
    """

    def __init__(
        self,
        submit: Callable[[Submit], TokenStream],
        new_id: Callable[[], int],
        request: Submit,
        tokens: list[int],
        *,
        ahead: int,
    ) -> None:
        self._submit = submit
        self._new_id = new_id
        self._request = request
        self._tokens = tokens
        self._batches = 1 + ahead
        self._stream: TokenStream | None = None
        self._read: list[int] = []
        self._used = 0
        self.first_started: SequenceStarted | None = None

    async def take(self, count: int, *, trusting: bool = False) -> Drafts:
        """At most `count` guesses. `trusting`: doubts are ignored.

        Raises DeadlineExceeded, and the error of the worker.
        """
        drafts: list[int] = []
        while len(drafts) < count:
            if not await self._has_next(count, drafts):
                if self._is_whole:
                    return Drafts(tuple(drafts), ended=True)
                self.drop()
                continue
            if self._is_doubtful and not trusting:
                return Drafts(tuple(drafts), doubtful=True)
            drafts.append(self._read[self._used])
            self._used += 1
        return Drafts(tuple(drafts))

    async def follow(self, num_kept: int, num_taken: int, token: int) -> None:
        """The first `num_kept` of the last `num_taken` guesses are settled, and `token` is behind them."""
        self._used -= num_taken - num_kept
        # Below 0: the sequence began behind a wrong guess.
        is_right = self._stream is not None and self._used >= 0 and await self._has_next()
        if is_right and self._read[self._used] == token:
            self._used += 1
        else:
            self.drop()

    def drop(self) -> None:
        """Ends the present sequence."""
        if self._stream is not None:
            self._stream.close()
        self._stream, self._read, self._used = None, [], 0

    async def _has_next(self, count: int = 0, drafts: Sequence[int] = ()) -> bool:
        """Waits for the next guess. False at the end of the sequence."""
        stream = self._stream or self._start(count, drafts)
        while len(self._read) <= self._used and not stream.done:
            self._read += await stream.next()
            self.first_started = self.first_started or stream.started
        if len(self._read) > self._used:
            return True
        self._check(stream.finished)
        return False

    def _start(self, count: int, drafts: Sequence[int]) -> TokenStream:
        """A sequence behind the settled tokens and these guesses. The big model adds a token to a batch."""
        prompt = [*self._tokens, *drafts]
        num_left = self._request.max_tokens - (len(prompt) - len(self._request.prompt))
        request = msgspec.structs.replace(
            self._request,
            request_id=self._new_id(),
            prompt=prompt,
            continues=self.first_started is not None,
            max_tokens=max(1, min(num_left, (count + 1) * self._batches - 1)),
        )
        self._stream = self._submit(request)
        return self._stream

    def _check(self, end: SequenceFinished | None) -> None:
        """Raises the error of a sequence that ended in another way than an answer ends."""
        assert end is not None
        if end.reason is FinishReason.EXPIRED:
            raise DeadlineExceeded("the deadline passed while the little model drafted")
        if end.reason is not FinishReason.STOP and not self._read:
            raise Unavailable(f"the little model drafts nothing: {end.reason.value}")

    @property
    def _is_whole(self) -> bool:
        end = self._stream.finished if self._stream is not None else None
        return end is not None and end.reason is FinishReason.STOP

    @property
    def _is_doubtful(self) -> bool:
        return self._stream is not None and self._used in self._stream.record.doubts
