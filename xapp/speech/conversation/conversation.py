"""Conversation: hears a person, answers each utterance, and stops when the person speaks.

An answer begins in a pause, before it is known that the pause ends the utterance. Where speech goes on, that
answer is dropped, and nobody hears of it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from time import monotonic

from xapp.domain.service import Generation
from xapp.errors import XappError
from xapp.speech.audio.formats import Pcm
from xapp.speech.audio.plain import PlainReader
from xapp.speech.audio.streams import decoded
from xapp.speech.conversation.events import (
    Arrivals,
    Control,
    Input,
    Output,
    Setup,
    SpeechBegan,
    TurnEnd,
    TurnTimes,
    Understood,
)
from xapp.speech.conversation.memory import Memory
from xapp.speech.conversation.turn import Turn
from xapp.speech.messages import Heard, Onset, SpeechResumed
from xapp.speech.protocols import Hearing, Recogniser
from xapp.speech.synthesis.voices import Voice

MAX_OUTPUTS = 32
"""Outputs that the caller has not read. The conversation waits meanwhile."""
MAX_INPUTS = 32


class Conversation:
    """One conversation: `run` once."""

    def __init__(self, setup: Setup, recogniser: Recogniser, voice: Voice, generation: Generation) -> None:
        self._setup = setup
        self._recogniser = recogniser
        self._voice = voice
        self._generation = generation
        self._memory = Memory(setup)
        self._arrivals = Arrivals()
        self._audio_s = 0.0
        self._turn: Turn | None = None
        self._question = ""
        self._ahead: Turn | None = None
        self._ahead_text = ""
        self._num_turns = 0
        self._outputs: asyncio.Queue[Output | XappError | None] = asyncio.Queue(MAX_OUTPUTS)
        self._audio: asyncio.Queue[bytes | Control | None] = asyncio.Queue(MAX_INPUTS)
        self._hearing: Hearing | None = None

    async def run(self, inputs: AsyncIterator[Input]) -> AsyncGenerator[Output, None]:
        """What happens, until the inputs end and the last answer is spoken. Raises XappError."""
        work = asyncio.create_task(self._work(inputs))
        try:
            while (output := await self._outputs.get()) is not None:
                if isinstance(output, XappError):
                    raise output
                yield output
        finally:
            work.cancel()
            await asyncio.wait([work])

    async def _work(self, inputs: AsyncIterator[Input]) -> None:
        failure: XappError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(inputs))
                group.create_task(self._hear(group))
        except* XappError as errors:
            failure = _first(errors)
        await self._outputs.put(failure)

    # ---- the caller's messages

    async def _read(self, inputs: AsyncIterator[Input]) -> None:
        async for message in inputs:
            if message is Control.INTERRUPT:
                await self._stop(TurnEnd.INTERRUPTED)
            else:
                await self._audio.put(message)
        await self._audio.put(None)

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        """The audio. The end of an utterance comes after the audio before it has gone to the recogniser."""
        while (piece := await self._audio.get()) is not None:
            if isinstance(piece, bytes):
                yield piece
            elif self._hearing is not None:
                await self._hearing.end_utterance()

    # ---- what is heard

    async def _hear(self, group: asyncio.TaskGroup) -> None:
        reader = PlainReader(self._setup.input, "config.input.sample_rate", "audio")
        async with aclosing(decoded(self._pieces(), self._setup.input, reader)) as audio:
            first = await anext(audio, None)
            if first is None:
                return
            options = replace(self._setup.options, ahead=True)
            with self._recogniser.listen(first.sample_rate, options) as hearing:
                self._hearing = hearing
                # A group of its own: the feeder has ended when its audio is closed.
                async with asyncio.TaskGroup() as feeding:
                    feeding.create_task(self._feed(hearing, first, audio))
                    await self._follow(hearing, group)

    async def _feed(self, hearing: Hearing, first: Pcm, audio: AsyncGenerator[Pcm, None]) -> None:
        await self._send(hearing, first)
        async for pcm in audio:
            await self._send(hearing, pcm)
        hearing.end()

    async def _send(self, hearing: Hearing, pcm: Pcm) -> None:
        self._audio_s += pcm.seconds
        self._arrivals.add(self._audio_s, monotonic())
        await hearing.send(pcm.samples)

    async def _follow(self, hearing: Hearing, group: asyncio.TaskGroup) -> None:
        async for event in hearing.events():
            if isinstance(event, Onset):
                await self._on_speech(event)
            elif isinstance(event, SpeechResumed):
                await self._drop_ahead()
            elif not self._is_echo(event):
                await self._on_text(event, group)
        await self._drop_ahead()

    async def _on_speech(self, onset: Onset) -> None:
        ends = 0
        if self._setup.barge_in and (turn := self._turn) is not None:
            ends = turn.number if self._plays(turn) else 0
            await self._stop(TurnEnd.BARGE_IN)
        await self._outputs.put(SpeechBegan(onset.at_s, ends))

    def _plays(self, turn: Turn) -> bool:
        return not turn.ended or monotonic() < turn.playing_until

    def _is_echo(self, heard: Heard) -> bool:
        """Whether this was heard while an answer was spoken that speech does not end."""
        if self._setup.barge_in or self._turn is None:
            return False
        began = self._arrivals.when(heard.start_s)
        return not self._turn.ended or began < self._turn.playing_until

    async def _on_text(self, heard: Heard, group: asyncio.TaskGroup) -> None:
        if heard.paused and heard.text and (self._turn is None or self._turn.ended):
            await self._answer_ahead(heard.text, group)
        if not heard.final:
            if self._setup.options.interim:
                await self._outputs.put(Understood(0, heard))
        elif heard.text:
            await self._stop(TurnEnd.BARGE_IN)
            await self._outputs.put(Understood(self._num_turns + 1, heard))
            await self._begin(heard, group)
        else:
            await self._drop_ahead()
            await self._outputs.put(Understood(0, heard))

    # ---- turns

    async def _begin(self, heard: Heard, group: asyncio.TaskGroup) -> None:
        if self._ahead is None or self._ahead_text != heard.text:
            await self._answer_ahead(heard.text, group)
        assert self._ahead is not None
        self._turn, self._ahead = self._ahead, None
        self._num_turns, self._question = self._turn.number, heard.text
        ends = (self._arrivals.when(heard.end_s), self._arrivals.when(heard.known_s))
        self._turn.take(TurnTimes(*ends, monotonic()))

    async def _answer_ahead(self, text: str, group: asyncio.TaskGroup) -> None:
        await self._drop_ahead()
        self._remember()
        number = self._num_turns + 1
        request = self._memory.request(text, number)
        self._ahead_text = text
        self._ahead = Turn(number, request, self._generation, self._voice, self._setup.output.encoding)
        self._ahead.start(group, self._outputs.put)

    async def _drop_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead.stop(TurnEnd.BARGE_IN)

    def _remember(self) -> None:
        """The turn before becomes part of the prompt, once."""
        if self._turn is not None and self._question:
            self._memory.remember(self._question, " ".join(self._turn.spoken))
            self._question = ""

    async def _stop(self, why: TurnEnd) -> None:
        if self._turn is not None:
            await self._turn.stop(why)


def _first(errors: "BaseExceptionGroup[XappError]") -> XappError:
    for error in errors.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("a group has an error")
