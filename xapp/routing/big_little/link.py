"""Link: the session with the big model, opened again when it was lost.

While the link is down, opening goes on beside the answer: the little model does not wait for it.
"""

import asyncio
from dataclasses import replace
from time import monotonic

from xapp.domain.verification import Drafted, Opening, Verdict, digest_of
from xapp.errors import Aborted, Unavailable, XappError
from xapp.routing.big_little.big_side import BigSession, BigSide, Traffic, is_permanent

FIRST_DELAY_S, MAX_DELAY_S = 0.2, 5.0


class Link:
    """Belongs to one answer. `tokens` are the settled tokens, which the owner appends to.

    `num_passes` counts verifications, `model` is the big model's name.
    """

    def __init__(self, big: BigSide, opening: Opening, tokens: list[int], timeout_s: float) -> None:
        self._big = big
        self._opening = opening
        self._tokens = tokens
        self._timeout_s = timeout_s
        self._session: BigSession | None = None
        self._num_known = 0
        """Settled tokens that the session has."""
        self._task: asyncio.Task[BigSession] | None = None
        self._delay_s = FIRST_DELAY_S
        self._retry_at: float | None = None
        self.traffic = Traffic()
        self.model = ""
        self.num_passes = 0

    async def is_up(self) -> bool:
        """Whether a verification is worth a try: False while the link is lost. Waits for nothing.

        Raises the permanent errors of the big model's node.
        """
        if self._session is not None or self._retry_at is None:
            return True
        if self._task is None and monotonic() >= self._retry_at:
            self._task = asyncio.create_task(self._open())
        if self._task is None or not self._task.done():
            return False
        return self._took_background(self._task)

    def _took_background(self, task: "asyncio.Task[BigSession]") -> bool:
        self._task = None
        try:
            self._session = task.result()
        except XappError as error:
            if is_permanent(error):
                raise
            self._lost()
            return False
        return True

    async def verify(self, drafts: tuple[int, ...]) -> Verdict:
        """Checks drafts behind the settled tokens.

        Raises the permanent errors of the big model's node, otherwise Unavailable: the link is lost.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                verdict = await self._verify(drafts)
        except TimeoutError:
            error: XappError = self._late()
        except XappError as caught:
            error = caught
        else:
            self.num_passes += 1
            self._delay_s, self._retry_at = FIRST_DELAY_S, None
            return verdict
        await self.end()
        if is_permanent(error):
            raise error
        self._lost()
        text = f"the big model cannot be reached: {error.message}"
        raise Unavailable(text, reason=error.reason, retry_after_s=error.retry_after_s)

    async def _verify(self, drafts: tuple[int, ...]) -> Verdict:
        was_open = self._session is not None
        try:
            return await self._ask(drafts)
        except Aborted:
            # The big side let the session go. It is opened again with all tokens.
            if not was_open:
                raise
            await self.end()
            return await self._ask(drafts)

    async def _ask(self, drafts: tuple[int, ...]) -> Verdict:
        if self._session is None:
            self._session = await self._open()
        known, tokens = self._num_known, self._tokens
        drafted = Drafted(known, tuple(tokens[known:]), drafts, digest_of(tokens[:known]))
        num_settled = len(tokens)
        verdict = await self._session.verify(drafted)
        self._num_known = num_settled
        return verdict

    async def _open(self) -> BigSession:
        """Raises XappError, Unavailable where it takes too long."""
        opening = replace(self._opening, tokens=tuple(self._tokens))
        try:
            async with asyncio.timeout(self._timeout_s):
                session = await self._big.open_session(opening, self.traffic)
        except TimeoutError:
            raise self._late() from None
        self._num_known, self.model = len(opening.tokens), session.opened.model
        return session

    def _late(self) -> Unavailable:
        text = f"it did not answer within {self._timeout_s:g} s ([big] timeout_s)"
        return Unavailable(text, reason="BIG_MODEL_LATE", retry_after_s=self._delay_s)

    async def lose(self) -> None:
        """The session is of no use, for instance since its verdicts are impossible. Safe to call twice."""
        if self._session is not None:
            await self.end()
            self._lost()

    def _lost(self) -> None:
        self._retry_at = monotonic() + self._delay_s
        self._delay_s = min(MAX_DELAY_S, 2 * self._delay_s)

    async def end(self) -> None:
        """Ends the session, if there is one, and the attempt to open another."""
        if self._session is not None:
            await self._session.aclose()
            self._session = None
        if (task := self._task) is not None:
            self._task = None
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and task.exception() is None:
                await task.result().aclose()
