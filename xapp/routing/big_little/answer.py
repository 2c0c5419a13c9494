"""PairAnswer: the tokens of one answer, found by two models.

The little model drafts, the big model checks. While the link to the big model is down, the answer ends, or
the little model goes on alone, as the request says.
"""

from time import monotonic

from xapp.domain.big_little import BigLittle, LinkLoss, PairFigures, Verified
from xapp.domain.messages import END_OF_ANSWER, FinishReason, SequenceFinished, SequenceStarted, Submit
from xapp.errors import Unavailable
from xapp.routing.big_little.drafts import Drafts, DraftSource
from xapp.routing.big_little.link import Link
from xapp.routing.big_little.outcome import outcome
from xapp.workers.token_record import TokenRecord


class PairAnswer:
    """Fills `record`. `run` returns at the end of the answer. `tokens` are the settled tokens, which
    `source` and `link` read.
    """

    def __init__(
        self,
        record: TokenRecord,
        strategy: Verified | BigLittle,
        source: DraftSource,
        link: Link,
        tokens: list[int],
        *,
        little: str,
        vocab_size: int,
    ) -> None:
        self._record = record
        self._strategy = strategy
        self._source = source
        self._link = link
        self._tokens = tokens
        self._little = little
        self._vocab_size = vocab_size
        self._num_drafted = self._num_accepted = 0
        self._num_fallbacks = self._num_rollbacks = self._num_unverified = 0

    @property
    def _request(self) -> Submit:
        return self._record.request

    @property
    def _num_left(self) -> int:
        return self._request.max_tokens - len(self._record.tokens)

    async def run(self) -> None:
        """Raises XappError. A passed deadline is DeadlineExceeded."""
        try:
            while not self._record.ended:
                await self._advance()
        finally:
            self._source.drop()
            await self._link.end()

    async def _advance(self) -> None:
        """One batch of drafts and its verification."""
        if not await self._link.is_up():
            await self._go_on_alone(await self._take(trusting=True))
            return
        # A verification brings one token more than accepted drafts.
        drafts = await self._take(trusting=False)
        try:
            verdict = await self._link.verify(drafts.tokens)
            result = outcome(self._strategy, drafts.tokens, verdict, self._vocab_size)
        except Unavailable as error:
            await self._link.lose()
            if self._strategy.on_link_loss is LinkLoss.FAIL:
                raise Unavailable(error.message, reason=error.reason, retry_after_s=1.0) from error
            await self._go_on_alone(drafts)
            return
        self._num_drafted += len(drafts.tokens)
        self._num_accepted += result.num_kept
        self._num_fallbacks += drafts.doubtful
        self._num_rollbacks += result.rolled_back
        self._settle((*drafts.tokens[: result.num_kept], result.token))
        if not self._record.ended:
            await self._source.follow(result.num_kept, len(drafts.tokens), result.token)

    async def _take(self, *, trusting: bool) -> Drafts:
        most = self._num_left if trusting else self._num_left - 1
        drafts = await self._source.take(min(self._strategy.max_drafts, most), trusting=trusting)
        if self._record.started is None and (begun := self._source.first_started) is not None:
            self._begin(begun.at, begun.num_cached_tokens)
        return drafts

    async def _go_on_alone(self, drafts: Drafts) -> None:
        self._num_unverified += len(drafts.tokens)
        self._settle((*drafts.tokens, END_OF_ANSWER) if drafts.ended else drafts.tokens)

    def _begin(self, at: float, num_cached: int) -> None:
        self._record.on_started(SequenceStarted(self._request.request_id, at, num_cached))

    def _settle(self, tokens: tuple[int, ...]) -> None:
        """Appends tokens to the answer, up to its end."""
        if self._record.started is None:
            self._begin(monotonic(), 0)
        for token in tokens:
            if token == END_OF_ANSWER:
                self._finish(FinishReason.STOP)
                return
            self._push(token)
            if not self._num_left:
                self._finish(FinishReason.LENGTH)
                return

    def _push(self, token: int) -> None:
        record, now = self._record, monotonic()
        record.first_at = record.first_at or now
        record.last_at = now
        self._tokens.append(token)
        record.push(token)

    def finish_late(self) -> None:
        """The deadline passed."""
        if self._record.started is None:
            self._begin(monotonic(), 0)
        self._finish(FinishReason.EXPIRED)

    def _finish(self, reason: FinishReason) -> None:
        record = self._record
        assert record.started is not None
        record.on_finished(
            SequenceFinished(
                self._request.request_id,
                monotonic(),
                reason,
                record.started.num_cached_tokens,
                len(record.tokens),
                record.started.at,
                record.first_at,
                self._num_drafted,
                self._num_accepted,
                pair=self._figures(),
            )
        )

    def _figures(self) -> PairFigures:
        link = self._link
        names = [self._little] if self._num_accepted or self._num_unverified else []
        if link.num_passes:
            names.append(link.model)
        return PairFigures(
            self._num_fallbacks,
            self._num_rollbacks,
            link.num_passes,
            link.traffic.num_sent,
            link.traffic.num_received,
            self._num_unverified,
            "+".join(names),
        )
