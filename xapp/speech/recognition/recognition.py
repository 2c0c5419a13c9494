"""Recognises a caller's audio, in whichever format it comes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from xapp.errors import InvalidArgument
from xapp.speech.audio.formats import AudioFormat, Pcm
from xapp.speech.audio.plain import PlainReader
from xapp.speech.audio.streams import decoded
from xapp.speech.messages import Heard
from xapp.speech.protocols import Hearing, ListenOptions, Recogniser


@dataclass(frozen=True, slots=True)
class Source:
    """A caller's audio. `fields` name the sample rate and the audio in errors.

    `count` is told the seconds of audio. More than `most_s` of it is refused.
    """

    pieces: AsyncIterator[bytes]
    format: AudioFormat
    fields: tuple[str, str] = ("sample_rate", "audio")
    count: Callable[[float], None] = lambda _: None
    most_s: float | None = None


async def heard_in(
    source: Source, recogniser: Recogniser, options: ListenOptions
) -> AsyncGenerator[Heard, None]:
    """The texts, as the audio arrives. Raises InvalidArgument, ProgramFailed, Unavailable."""
    async with aclosing(_bounded(source)) as audio:
        first = await anext(audio, None)
        if first is None:
            return
        with recogniser.listen(first.sample_rate, options) as hearing:
            feeding = asyncio.create_task(_feed(hearing, first, audio))
            try:
                async for event in _events(hearing, feeding):
                    yield event
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)


async def _events(hearing: Hearing, feeding: "asyncio.Task[None]") -> AsyncGenerator[Heard, None]:
    """Raises the error of the audio, too."""
    events = hearing.events()
    while True:
        event = asyncio.ensure_future(anext(events, None))
        try:
            waited = {event} if feeding.done() else {event, feeding}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                feeding.result()
            found = await event
        finally:
            event.cancel()
        if found is None:
            return
        if isinstance(found, Heard):
            yield found


async def _feed(hearing: Hearing, first: Pcm, audio: AsyncGenerator[Pcm, None]) -> None:
    await hearing.send(first.samples)
    async for pcm in audio:
        await hearing.send(pcm.samples)
    hearing.end()


async def _bounded(source: Source) -> AsyncGenerator[Pcm, None]:
    total_s, most_s = 0.0, source.most_s
    reader = PlainReader(source.format, *source.fields)
    async with aclosing(decoded(source.pieces, source.format, reader)) as pieces:
        async for pcm in pieces:
            source.count(pcm.seconds)
            total_s += pcm.seconds
            if most_s is not None and total_s > most_s:
                message = f"is longer than {most_s:g} s: send it as a stream"
                raise InvalidArgument(source.fields[1], message, reason="AUDIO_TOO_LONG")
            yield pcm
