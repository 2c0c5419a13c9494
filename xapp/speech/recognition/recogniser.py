"""EngineRecogniser: the server's end of the recognising engine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from xapp.errors import InvalidArgument
from xapp.speech.engine.client import Job
from xapp.speech.engine.supervisor import EngineSupervisor
from xapp.speech.languages import base
from xapp.speech.messages import (
    Audio,
    Done,
    EndAudio,
    EndUtterance,
    Heard,
    Listen,
    Onset,
    SpeechResumed,
    Took,
)
from xapp.speech.protocols import ListenOptions

WINDOW = 20
PIECE_S = 0.5
"""At most so many pieces of so many seconds wait in the engine for each stream."""


class EngineHearing:
    """Implements Hearing by a job of the engine."""

    def __init__(self, job: Job, sample_rate: int) -> None:
        self._job = job
        self._piece_bytes = 2 * int(sample_rate * PIECE_S)
        self._room = asyncio.Semaphore(WINDOW)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._job.__exit__(kind, error, trace)

    async def send(self, samples: bytes) -> None:
        """Implements Hearing.send."""
        for at in range(0, len(samples), self._piece_bytes):
            await self._room.acquire()
            self._job.send(Audio(self._job.number, samples[at : at + self._piece_bytes]))

    async def end_utterance(self) -> None:
        """Implements Hearing.end_utterance."""
        await self._room.acquire()
        self._job.send(EndUtterance(self._job.number))

    def end(self) -> None:
        """Implements Hearing.end."""
        self._job.send(EndAudio(self._job.number))

    async def events(self) -> AsyncIterator[Onset | SpeechResumed | Heard]:
        """Implements Hearing.events."""
        while not isinstance(reply := await self._job.next(), Done):
            if isinstance(reply, Took):
                self._room.release()
            elif isinstance(reply, Onset | SpeechResumed | Heard):
                yield reply


class EngineRecogniser:
    """Implements Recogniser. `pause_s` and `interim_s` are the settings of the node."""

    def __init__(self, engine: EngineSupervisor, *, pause_s: float, interim_s: float) -> None:
        self._engine = engine
        self._pause_s = pause_s
        self._interim_s = interim_s

    @property
    def name(self) -> str:
        """The engine's name."""
        return "whisper"

    @property
    def ready(self) -> bool:
        """Whether the engine answers now."""
        return self._engine.ready

    @property
    def languages(self) -> Sequence[str]:
        """What the model knows; empty before it was loaded once."""
        info = self._engine.info
        return info.languages if info is not None else ()

    def listen(self, sample_rate: int, options: ListenOptions) -> EngineHearing:
        """Implements Recogniser.listen."""
        job = self._engine.job()
        message = Listen(
            job.number,
            sample_rate,
            self._known(options.language),
            options.pause_s or self._pause_s,
            self._interim_s if options.interim else 0.0,
            options.words,
            options.ahead,
        )
        job.send(message)
        return EngineHearing(job, sample_rate)

    def _known(self, language: str) -> str:
        if language and base(language) not in self.languages:
            known = ", ".join(self.languages)
            message = f"{language!r} is not recognised by this node's model, which knows: {known}"
            raise InvalidArgument("language_code", message, reason="UNKNOWN_LANGUAGE")
        return base(language)
