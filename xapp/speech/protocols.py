"""What the services need of the engines: one Protocol a purpose. `fakes` has a fake of each."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from xapp.speech.audio.formats import Pcm
from xapp.speech.messages import Heard, Onset, SpeechResumed


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """`language` is a code such as "en", "" is detected. `pause_s` None is the node's setting.

    `interim`: texts that may still change are told, too. `words`: with times of words. `ahead`: the text is
    told as soon as somebody pauses, marked as `paused`, and `SpeechResumed` where speech goes on.
    """

    language: str = ""
    pause_s: float | None = None
    interim: bool = False
    words: bool = False
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who is asked, and for whom: an engine works on behalf of a caller, within its deadline."""

    client: str = ""
    scope: str = ""
    deadline: float | None = None
    correlation_id: str = ""


class SpeechEngine(Protocol):
    """What every engine says of itself."""

    @property
    def name(self) -> str:
        """For instance "whisper"."""
        ...

    @property
    def ready(self) -> bool:
        """Whether it answers now."""
        ...

    @property
    def languages(self) -> Sequence[str]:
        """Codes such as "en", or pairs such as "en-es"; empty for any."""
        ...


class Hearing(Protocol):
    """One stream of audio that is recognised: a context manager, which ends the work that is left."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(self, samples: bytes) -> None:
        """Sends 16-bit samples. Waits while the engine is behind; somebody has to read `events` meanwhile."""
        ...

    async def end_utterance(self) -> None:
        """The utterance so far is over."""
        ...

    def end(self) -> None:
        """The audio is over."""
        ...

    def events(self) -> AsyncIterator[Onset | SpeechResumed | Heard]:
        """What is heard, until the end of the audio. Raises Unavailable when the engine is lost."""
        ...


class Recogniser(SpeechEngine, Protocol):
    """Audio to text."""

    def listen(self, sample_rate: int, options: ListenOptions) -> Hearing:
        """Opens a stream. Raises InvalidArgument for a language that it does not know, Unavailable."""
        ...


class Synthesiser(SpeechEngine, Protocol):
    """Text to audio."""

    @property
    def voices(self) -> Sequence[str]:
        """Names."""
        ...

    async def say(self, text: str, voice: str, sample_rate: int) -> Pcm:
        """Speaks one sentence in a voice of `voices`. Raises Unavailable, ProgramFailed."""
        ...

    def voice_of(self, language: str) -> str | None:
        """The usual voice of a language; None where the engine does not speak it."""
        ...


class Translator(SpeechEngine, Protocol):
    """Text to text in another language."""

    def speaks(self, source: str, target: str) -> bool:
        """Whether it translates between these languages."""
        ...

    async def translate(self, text: str, source: str, target: str, speaker: Speaker) -> str:
        """The translation. Raises Unavailable, ProgramFailed, and what Generate raises."""
        ...
