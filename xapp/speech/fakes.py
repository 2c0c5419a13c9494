"""Fakes of the engines, for tests: no model, no process, no thread.

Loud audio is speech to them. What is heard says how long it was; what is spoken is as long as its text.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from xapp.errors import XappError
from xapp.speech.audio.formats import Pcm
from xapp.speech.audio.resampler import Resampler
from xapp.speech.languages import base
from xapp.speech.messages import (
    Audio,
    Done,
    Drop,
    EndAudio,
    EndUtterance,
    FromEngine,
    Heard,
    Listen,
    Onset,
    SpeechResumed,
    ToEngine,
)
from xapp.speech.protocols import Hearing, ListenOptions, Speaker
from xapp.speech.recognition.decoder import Text
from xapp.speech.recognition.listener import Listener
from xapp.speech.recognition.listening import Listening
from xapp.speech.recognition.utterances import SAMPLE_RATE

LOUD = 1000
SAMPLES_PER_CHAR = 100
PAUSE_S, INTERIM_S = 0.3, 0.2
_JOB = 1


def loudness(chunk: bytes) -> float:
    """The probability of speech in a chunk: 1 or 0."""
    return float(np.abs(np.frombuffer(chunk, np.int16)).max(initial=0) >= LOUD)


def heard_seconds(samples: bytes, language: str, *, words: bool) -> Text:
    """Implements Recognise: "2 tenths" for 0.2 s of loud samples."""
    tenths = round(np.count_nonzero(np.frombuffer(samples, np.int16)) / SAMPLE_RATE * 10)
    return Text(f"{tenths} tenths" if tenths else "", language or "en", 0.9)


class _Replies:
    """The link of a Listener that is no process."""

    def __init__(self, on_reply: Callable[[FromEngine], None]) -> None:
        self.send = on_reply


class FakeHearing:
    """The real Listener of an engine, within this process."""

    def __init__(self, sample_rate: int, options: ListenOptions, texts: Sequence[str]) -> None:
        self._replies: asyncio.Queue[FromEngine] = asyncio.Queue()
        self._texts = list(texts)
        self._listener = Listener(_Replies(self._on_reply), self._recognise, self._open)
        pause_s = options.pause_s or PAUSE_S
        interim_s = INTERIM_S if options.interim else 0.0
        wishes = (options.words, options.ahead)
        self._handle(Listen(_JOB, sample_rate, options.language, pause_s, interim_s, *wishes))

    def _recognise(self, samples: bytes, language: str, *, words: bool) -> Text:
        heard = heard_seconds(samples, language, words=words)
        return Text(self._texts[0], "en", 0.9) if self._texts else heard

    def _open(self, listen: Listen) -> Listening:
        return Listening(listen, Resampler(listen.sample_rate, SAMPLE_RATE), loudness)

    def _handle(self, message: ToEngine) -> None:
        self._listener.handle(message)
        while self._listener.decoder.has_work:
            self._listener.decoder.step()

    def _on_reply(self, reply: FromEngine) -> None:
        if isinstance(reply, Heard) and reply.final and self._texts:
            self._texts.pop(0)
        self._replies.put_nowait(reply)

    async def send(self, samples: bytes) -> None:
        """Implements Hearing.send."""
        self._handle(Audio(_JOB, samples))

    async def end_utterance(self) -> None:
        """Implements Hearing.end_utterance."""
        self._handle(EndUtterance(_JOB))

    def end(self) -> None:
        """Implements Hearing.end."""
        self._handle(EndAudio(_JOB))

    async def events(self) -> AsyncIterator[Onset | SpeechResumed | Heard]:
        """Implements Hearing.events."""
        while not isinstance(reply := await self._replies.get(), Done):
            if isinstance(reply, Onset | SpeechResumed | Heard):
                yield reply

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle(Drop(_JOB))


class FakeRecogniser:
    """Implements Recogniser. `texts` are heard in this order, then the length of the audio."""

    name = "fake"
    ready = True
    languages: Sequence[str] = ("en",)

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._texts = texts
        self.options: list[ListenOptions] = []

    def listen(self, sample_rate: int, options: ListenOptions) -> Hearing:
        """Implements Recogniser.listen."""
        self.options.append(options)
        return FakeHearing(sample_rate, options, self._texts)


class FakeSynthesiser:
    """Implements Synthesiser. `said` are the sentences so far, `spoke` is set by the first of them.

    `error` is raised for each.
    """

    name = "fake"
    ready = True
    languages: Sequence[str] = ("en",)
    voices: Sequence[str] = ("one", "two")

    def __init__(self, error: XappError | None = None) -> None:
        self.said: list[str] = []
        self.error = error
        self.spoke = asyncio.Event()

    def voice_of(self, language: str) -> str | None:
        """Implements Synthesiser.voice_of."""
        return "one" if base(language) in {"", "en"} else None

    async def say(self, text: str, voice: str, sample_rate: int) -> Pcm:
        """Implements Synthesiser.say."""
        if self.error is not None:
            raise self.error
        self.said.append(text)
        self.spoke.set()
        return Pcm(sample_rate, np.full(len(text) * SAMPLES_PER_CHAR, LOUD, np.int16).tobytes())


class FakeTranslator:
    """Implements Translator: capitals. `loses` are texts that it leaves out."""

    name = "fake"
    ready = True
    languages: Sequence[str] = ("en-es",)

    def __init__(self, loses: Sequence[str] = ()) -> None:
        self._loses = loses
        self.asked: list[str] = []

    def speaks(self, source: str, target: str) -> bool:
        """Implements Translator.speaks."""
        return f"{source}-{target}" in self.languages

    async def translate(self, text: str, source: str, target: str, speaker: Speaker) -> str:
        """Implements Translator.translate. Places of phrases stay as they are."""
        self.asked.append(text)
        for lost in self._loses:
            text = text.replace(lost, "")
        return " ".join(word if word.startswith("Xq") else word.upper() for word in text.split())
