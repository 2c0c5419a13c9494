"""Guidance-based knowledge transfer: the big model writes the beginning of an answer.

The little model writes the rest. Text is handed over, so the vocabularies may differ.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from time import monotonic

import msgspec

from xapp.domain.big_little import Guided, LinkLoss, PairFigures
from xapp.domain.messages import FinishReason, SequenceFinished, SequenceStarted, Submit
from xapp.domain.requests import DeadlinePolicy
from xapp.errors import DeadlineExceeded, Unavailable, XappError
from xapp.routing.big_little.big_side import BigSide, Guidance, Traffic, is_permanent
from xapp.service.call import Target
from xapp.workers.token_record import TokenRecord
from xapp.workers.token_stream import TokenStream


class GuidedAnswer:
    """Fills `record`. `run` returns at the end of the answer. `submit` is the little model's worker."""

    def __init__(
        self,
        record: TokenRecord,
        strategy: Guided,
        target: Target,
        big: BigSide,
        *,
        submit: Callable[[Submit], TokenStream],
        new_id: Callable[[], int],
    ) -> None:
        self._record = record
        self._strategy = strategy
        self._target = target
        self._big = big
        self._submit = submit
        self._new_id = new_id
        self._traffic = Traffic()
        self._num_unverified = 0

    async def run(self) -> None:
        """Raises XappError. A passed deadline is DeadlineExceeded."""
        guidance = await self._ask()
        self._begin(monotonic(), 0)
        whole = await self._settle(guidance) if guidance is not None else self._record.request.prompt
        if self._record.ended:
            return
        if guidance is not None and guidance.whole:
            self._finish(FinishReason.STOP, guidance)
            return
        self._finish(await self._go_on(whole, guided=guidance is not None), guidance)

    async def _ask(self) -> Guidance | None:
        """The big model's beginning; None where it cannot be had and the little model goes on alone."""
        request = self._target.request
        asked = replace(
            request,
            max_tokens=min(self._strategy.num_tokens, self._record.request.max_tokens),
            strategy=None,
            task=None,
            deadline=self._record.request.deadline,
            deadline_policy=DeadlinePolicy.REJECT,
        )
        try:
            return await self._big.write(asked, self._traffic)
        except XappError as error:
            if is_permanent(error) or isinstance(error, DeadlineExceeded):
                raise
            if self._strategy.on_link_loss is LinkLoss.FAIL:
                text = f"the big model cannot be reached: {error.message}"
                raise Unavailable(text, reason=error.reason, retry_after_s=1.0) from error
            return None

    async def _settle(self, guidance: Guidance) -> list[int]:
        """Appends the guidance to the answer. Returns all tokens so far.

        Where the prompt's last token reaches into the guidance, the guidance is dropped.
        """
        request, serving, prompt = self._target.request, self._target.serving, self._record.request.prompt
        if not guidance.text:
            return prompt
        _, (whole,) = await serving.prompts.read_choices(
            request.prompt, (guidance.text,), serving.limit, request.client
        )
        if whole[: len(prompt)] != prompt:
            return prompt
        for token in whole[len(prompt) :]:
            self._push(token)
            if len(self._record.tokens) == self._record.request.max_tokens:
                self._finish(FinishReason.LENGTH, guidance)
                break
        return whole

    async def _go_on(self, tokens: list[int], *, guided: bool) -> FinishReason:
        num_left = self._record.request.max_tokens - len(self._record.tokens)
        request = msgspec.structs.replace(
            self._record.request, request_id=self._new_id(), prompt=tokens, max_tokens=num_left
        )
        with closing(self._submit(request)) as stream:
            while not stream.done:
                for token in await stream.next():
                    self._push(token)
                    self._num_unverified += not guided
        assert stream.finished is not None
        return stream.finished.reason

    def _begin(self, at: float, num_cached: int) -> None:
        self._record.on_started(SequenceStarted(self._record.request.request_id, at, num_cached))

    def _push(self, token: int) -> None:
        record, now = self._record, monotonic()
        record.first_at = record.first_at or now
        record.last_at = now
        record.push(token)

    def finish_late(self) -> None:
        """The deadline passed."""
        if self._record.started is None:
            self._begin(monotonic(), 0)
        self._finish(FinishReason.EXPIRED, None)

    def _finish(self, reason: FinishReason, guidance: Guidance | None) -> None:
        record, names = self._record, []
        assert record.started is not None
        if guidance is not None and guidance.text:
            names.append(guidance.model)
        if not (guidance and guidance.whole):
            names.append(self._target.model.name)
        figures = PairFigures(
            num_bytes_sent=self._traffic.num_sent,
            num_bytes_received=self._traffic.num_received,
            num_unverified=self._num_unverified,
            answered_by="+".join(names),
        )
        record.on_finished(
            SequenceFinished(
                record.request.request_id,
                monotonic(),
                reason,
                record.started.num_cached_tokens,
                len(record.tokens),
                record.started.at,
                record.first_at,
                pair=figures,
            )
        )
