"""Turn: one answer of a conversation. It is generated and spoken at the same time, sentence by sentence.

A turn may begin before it is known that the utterance is over: nothing of it is told before `take`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from time import monotonic

from xapp.domain.answers import Chunk, Finished
from xapp.domain.requests import Request
from xapp.domain.service import Generation
from xapp.errors import XappError
from xapp.speech.audio.formats import Encoding
from xapp.speech.audio.streams import encoded_plainly
from xapp.speech.conversation.events import Output, SaidSentence, TurnEnd, TurnEnded, TurnTimes
from xapp.speech.synthesis.sentences import Sentences, said
from xapp.speech.synthesis.voices import Voice

Tell = Callable[[Output], Awaitable[None]]


class Turn:
    """`start` it, and `take` it when its utterance is over; `stop` ends it. A taken turn tells one TurnEnded.

    `playing_until`: when the audio that was told will have been played, on CLOCK_MONOTONIC.
    """

    def __init__(
        self, number: int, request: Request, generation: Generation, voice: Voice, encoding: Encoding
    ) -> None:
        self.number = number
        self.spoken: list[str] = []
        self.playing_until = 0.0
        self.ended = False
        self._request = request
        self._generation = generation
        self._voice = voice
        self._encoding = encoding
        self._finished: Finished | None = None
        self._why: TurnEnd | None = None
        self._task: asyncio.Task[None] | None = None
        self._times: TurnTimes | None = None
        self._taken = asyncio.Event()

    def start(self, group: asyncio.TaskGroup, tell: Tell) -> None:
        """Begins to answer."""
        self._task = group.create_task(self._run(tell))

    def take(self, times: TurnTimes) -> None:
        """The utterance is over: what there is of the answer is told."""
        self._times = times
        self._taken.set()

    async def stop(self, why: TurnEnd) -> None:
        """Ends the answer, and returns when it has ended: in the model, too, by its next step."""
        if self._task is None or self._task.done():
            return
        if not self.ended and self._why is None:
            self._why = why
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, tell: Tell) -> None:
        end, error, reason = TurnEnd.COMPLETE, "", ""
        try:
            await self._speak(tell)
        except asyncio.CancelledError:
            if self._why is None or self._times is None:
                raise
            end = self._why
        except XappError as failure:
            end, error, reason = TurnEnd.FAILED, failure.message, failure.reason
        times = await self._when_taken()
        self.ended = True
        counts = (len(self.spoken), self._finished)
        await tell(TurnEnded(self.number, end, times, *counts, error, reason))

    async def _when_taken(self) -> TurnTimes:
        await self._taken.wait()
        assert self._times is not None
        return self._times

    async def _speak(self, tell: Tell) -> None:
        async with aclosing(self._sentences()) as sentences:
            async for text in sentences:
                whole_at = monotonic()
                pcm = await self._voice.say(text)
                times = await self._when_taken()
                now = monotonic()
                # A sentence that was there before the end of the utterance was known took no time after it.
                times.first_sentence = times.first_sentence or max(whole_at, times.recognised)
                times.first_audio = times.first_audio or now
                times.last_audio = now
                self.playing_until = max(now, self.playing_until) + pcm.seconds
                await tell(SaidSentence(self.number, text, encoded_plainly(pcm.samples, self._encoding)))
                self.spoken.append(text)

    async def _sentences(self) -> AsyncGenerator[str, None]:
        pieces = Sentences(early=True)
        async with aclosing(self._generation.generate(self._request)) as events:
            async for event in events:
                if isinstance(event, Chunk):
                    for piece in pieces.feed(event.text):
                        if text := said(piece):
                            yield text
                elif isinstance(event, Finished):
                    self._finished = event
        for piece in pieces.end():
            if text := said(piece):
                yield text
