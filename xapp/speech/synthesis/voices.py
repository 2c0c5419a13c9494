"""Voices: which engine speaks a text, and speaking it sentence by sentence."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass

from xapp.errors import FailedPrecondition, InvalidArgument
from xapp.speech.audio.formats import Pcm
from xapp.speech.protocols import Synthesiser
from xapp.speech.synthesis.sentences import Sentences, speakable

_SSML = "<speak"


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of an engine, in a sample rate."""

    engine: Synthesiser
    name: str
    sample_rate: int

    async def say(self, text: str) -> Pcm:
        """Speaks one sentence."""
        return await self.engine.say(text, self.name, self.sample_rate)


class Voices:
    """The engines that speak, the preferred engine first."""

    def __init__(self, engines: Sequence[Synthesiser]) -> None:
        self.engines = tuple(engines)

    def find(self, voice: str, language: str, sample_rate: int) -> Voice:
        """The voice of this name, or the usual voice of the language. `voice` may be ENGINE:VOICE.

        Raises InvalidArgument, FailedPrecondition.
        """
        if voice:
            return self._named(voice, sample_rate)
        for engine in self.engines:
            if (name := engine.voice_of(language)) is not None:
                return Voice(engine, name, sample_rate)
        if not any(engine.ready for engine in self.engines):
            raise FailedPrecondition("no engine that speaks is ready", reason="NO_SPEECH_ENGINE")
        known = sorted({code for engine in self.engines for code in engine.languages})
        message = f"nobody here speaks {language!r}; known: {', '.join(known)}"
        raise InvalidArgument("language_code", message, reason="UNKNOWN_LANGUAGE")

    def _named(self, voice: str, sample_rate: int) -> Voice:
        wanted, _, name = voice.rpartition(":")
        for engine in self.engines:
            if name in engine.voices and wanted in {"", engine.name}:
                return Voice(engine, name, sample_rate)
        known = ", ".join(f"{engine.name}:{name}" for engine in self.engines for name in engine.voices)
        raise InvalidArgument(
            "voice_name", f"there is no voice {voice[:80]!r}; there are {known}", reason="UNKNOWN_VOICE"
        )


def check_text(field: str, text: str, most_chars: int) -> str:
    """A text to speak or to translate. Raises InvalidArgument."""
    if len(text) > most_chars:
        message = f"has {len(text):,} characters, at most {most_chars:,} are taken"
        raise InvalidArgument(field, message, reason="TEXT_TOO_LONG")
    if text.lstrip().lower().startswith(_SSML):
        raise InvalidArgument(field, "SSML is not read here: send plain text", reason="SSML_UNSUPPORTED")
    if not text.strip():
        raise InvalidArgument(field, "is empty")
    return text


async def spoken(
    texts: AsyncIterable[str], voice: Voice, *, early: bool = False
) -> AsyncGenerator[tuple[str, Pcm], None]:
    """Each sentence with its audio, as the texts arrive. `early`: the first piece may be a clause."""
    pieces = Sentences(early=early)
    async for text in texts:
        for piece in pieces.feed(speakable(text)):
            yield piece, await voice.say(piece)
    for piece in pieces.end():
        yield piece, await voice.say(piece)
