"""Answer: turns the engine's messages about a request into the events for its caller."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic

from xapp.domain.answers import Chunk, DrawnToken, Event, Finished, Provenance, Started
from xapp.domain.messages import FinishReason, SequenceFinished
from xapp.domain.power import Energy
from xapp.errors import DeadlineExceeded, Exhausted, InvalidArgument, Unavailable, XappError
from xapp.service.drawn_tokens import drawn
from xapp.service.report import final
from xapp.text.prompts import AnswerText
from xapp.workers.token_stream import TokenStream

RETRY_AFTER_S = 1.0
MEMORY_RETRY_AFTER_S = 30.0


class Answer:
    """Produces exactly one Started first and one Finished last.

    Call `next` until `done`. A stop text closes the stream at once. With `may_be_cut`, a passed deadline
    ends the answer with DEADLINE; otherwise it is an error. `piece` returns the bytes of a token, `energy`
    that of a request that the worker ended.
    """

    def __init__(
        self,
        stream: TokenStream,
        text: AnswerText,
        opening: Started,
        *,
        may_be_cut: bool = False,
        piece: Callable[[int], bytes] = bytes,
        energy: Callable[[SequenceFinished], Energy | None] = lambda _: None,
    ) -> None:
        self._stream = stream
        self._text = text
        self._opening = opening
        self._may_be_cut = may_be_cut
        self._piece = piece
        self._energy = energy
        self._num_tokens = 0
        self._untold = 0
        self._output = hashlib.sha256()
        self.started: Started | None = None
        self.finished: Finished | None = None
        self.error: XappError | None = None

    @property
    def done(self) -> bool:
        """Whether all events were returned."""
        return self.finished is not None or self.error is not None

    async def next(self) -> list[Event]:
        """The next events. Raises the error of the stream, unless a deadline may cut the answer."""
        try:
            return self.take(await self._stream.next())
        except DeadlineExceeded:
            if not self._may_be_cut:
                raise
            return self._cut()

    def take(self, tokens: Sequence[int]) -> list[Event]:
        """The events for these tokens and for other news of the stream."""
        events: list[Event] = []
        end = self._stream.finished if self._stream.done else None
        if self.started is None and self._may_start(end):
            events.append(self._start(end.at if end is not None else 0.0))
        if tokens:
            self._add_chunk(self._read(tokens), events)
        if self._text.stopped:
            self._stream.close()
            events.append(self._finish(FinishReason.STOP, end))
        elif end is not None:
            self._end(end, events)
        return events

    def _may_start(self, end: SequenceFinished | None) -> bool:
        """A request that expired in the queue never starts, unless its answer may be empty."""
        if self._stream.joined_at is not None:
            return True
        if end is None or self._stream.started is not None:
            return self._stream.started is not None
        return self._may_be_cut or end.reason is not FinishReason.EXPIRED

    def _cut(self) -> list[Event]:
        """The deadline passed before the worker reported it: the answer ends with the tokens so far."""
        self._stream.close()
        events: list[Event] = [] if self.started is not None else [self._start(monotonic())]
        self._add_chunk(self._text.flush(), events)
        return [*events, self._finish(FinishReason.DEADLINE, None)]

    def _start(self, otherwise_at: float) -> Started:
        self.started = replace(
            self._opening,
            num_cached_tokens=self._num_cached,
            queue_s=self._queue_s(otherwise_at),
            joined=self._stream.joined_at is not None,
        )
        return self.started

    def _queue_s(self, otherwise_at: float) -> float:
        """Seconds until the first work on the prompt, at most until a later reader joined."""
        begun = self._stream.started
        at = begun.at if begun is not None else otherwise_at
        return max(0.0, max(at, self._stream.joined_at or 0.0) - self._stream.request.arrival)

    @property
    def _num_cached(self) -> int:
        begun = self._stream.started
        return begun.num_cached_tokens if begun is not None else 0

    def _read(self, tokens: Sequence[int]) -> str:
        if len(tokens) == 1:
            self._count(1)
            return self._text.feed(tokens)
        text = ""
        # One token at a time: tokens that were read together with the end of a stop text do not count.
        for token in tokens:
            self._count(1)
            text += self._text.feed((token,))
            if self._text.stopped:
                break
        return text

    def _count(self, num_tokens: int) -> None:
        self._num_tokens += num_tokens
        self._untold += num_tokens

    def _add_chunk(self, text: str, events: list[Event]) -> None:
        if text:
            self._output.update(text.encode())
            events.append(Chunk(text, self._untold, self._drawn()))
            self._untold = 0

    def _drawn(self) -> tuple[DrawnToken, ...]:
        """The reports of the tokens that the next chunk tells."""
        if not (reports := self._stream.reports):
            return ()
        told = slice(self._num_tokens - self._untold, self._num_tokens)
        pairs = zip(self._stream.record.tokens[told], reports[told], strict=True)
        return tuple(drawn(token, report, self._piece) for token, report in pairs)

    def _end(self, end: SequenceFinished, events: list[Event]) -> None:
        self._add_chunk(self._text.flush(), events)
        reason = end.reason
        if reason is FinishReason.STUCK:
            self.error = InvalidArgument("format", "it takes too much work, or no token can follow")
            return
        if reason is FinishReason.NO_MEMORY:
            self.error = Exhausted(
                "there is no memory for the separate KV cache of a deterministic request",
                reason="OUT_OF_MEMORY",
                retry_after_s=MEMORY_RETRY_AFTER_S,
            )
            return
        if reason is FinishReason.EXPIRED and self._ended_early(end):
            self.error = Unavailable(
                "the worker did not learn of the later deadline in time",
                reason="WORKER_STALLED",
                retry_after_s=RETRY_AFTER_S,
            )
            return
        if reason is FinishReason.EXPIRED and not self._may_be_cut:
            self.error = DeadlineExceeded(f"the deadline passed after {self._num_tokens} tokens")
            return
        if reason is FinishReason.EXPIRED:
            reason = FinishReason.DEADLINE
        # A stop text may be complete only now that no longer match is possible.
        events.append(self._finish(FinishReason.STOP if self._text.stopped else reason, end))

    def _ended_early(self, end: SequenceFinished) -> bool:
        """Whether the earlier deadline of an identical request ended the shared computation."""
        deadline = self._stream.request.deadline
        return self._stream.joined_at is not None and deadline is not None and end.at < deadline

    def _finish(self, reason: FinishReason, end: SequenceFinished | None) -> Finished:
        assert self.started is not None
        # A reader that joined got its Started before these figures were known.
        queue_s = self._queue_s(monotonic()) if self.started.joined else self.started.queue_s
        started = replace(self.started, queue_s=queue_s, num_cached_tokens=self._num_cached)
        finished = final(
            started,
            reason,
            self._num_tokens,
            arrival=self._stream.request.arrival,
            first_at=self._first_at(end),
            last_at=end.at if end is not None else self._stream.last_at,
        )
        self.finished = replace(
            finished,
            provenance=self._provenance(),
            num_drafted=end.num_drafted if end is not None else 0,
            num_accepted=end.num_accepted if end is not None else 0,
            num_draft_steps=end.num_draft_steps if end is not None else 0,
            gain=end.gain if end is not None else 1.0,
            pair=end.pair if end is not None else None,
            energy=self._energy_of(end),
            stop_text=self._text.stop_text,
        )
        return self.finished

    def _energy_of(self, end: SequenceFinished | None) -> Energy | None:
        """A reader that joined took nothing of its own: the energy is that of the first reader."""
        return None if end is None or self._stream.joined_at is not None else self._energy(end)

    def _first_at(self, end: SequenceFinished | None) -> float | None:
        """When the first token arrived, but not before a reader joined."""
        first_at = (end.first_token_at if end is not None else None) or self._stream.first_at
        return None if first_at is None else max(first_at, self._stream.joined_at or 0.0)

    def _provenance(self) -> Provenance | None:
        made_by = self._opening.provenance
        return made_by and replace(made_by, output_hash=f"sha256:{self._output.hexdigest()}")
