"""EspeakSynthesiser: speaks many languages by the program espeak-ng, one process a sentence.

The text goes in by standard input. Marks of SSML are not read: the option for them is not given. espeak-ng is
GPL: it is a program beside this one, never a part of it.
"""

import asyncio
import shutil
from collections.abc import Sequence

from xapp.errors import ConfigError
from xapp.speech.audio.formats import AudioFormat, Pcm
from xapp.speech.audio.plain import PlainReader
from xapp.speech.audio.resampler import resampled
from xapp.speech.engine.programs import output_of
from xapp.speech.languages import base

PROGRAM = "espeak-ng"
_CPU_S, _TIMEOUT_S = 10, 20.0
_MOST_BYTES = 8 << 20
"""Three minutes of its audio: a piece of text has at most 300 characters."""


class EspeakSynthesiser:
    """Implements Synthesiser. `voices` are codes of languages, as espeak-ng lists them."""

    def __init__(self) -> None:
        """Raises ConfigError without the program."""
        path = shutil.which(PROGRAM)
        if path is None:
            raise ConfigError(
                "XAPP_SPEECH_SYNTHESIS", f"{PROGRAM} is not installed: apt-get install {PROGRAM}"
            )
        self._path = path
        self._voices: tuple[str, ...] = ()

    async def start(self) -> None:
        """Asks the program for its voices."""
        listing = await output_of(
            (self._path, "--voices"), "", cpu_s=_CPU_S, most_bytes=1 << 20, timeout_s=_TIMEOUT_S
        )
        rows = [line.split() for line in listing.decode(errors="replace").splitlines()[1:]]
        self._voices = tuple(dict.fromkeys(row[1] for row in rows if len(row) > 1))

    @property
    def name(self) -> str:
        """The engine's name."""
        return "espeak"

    @property
    def ready(self) -> bool:
        """Whether its voices are known."""
        return bool(self._voices)

    @property
    def languages(self) -> Sequence[str]:
        """The languages of the voices."""
        return self._voices

    @property
    def voices(self) -> Sequence[str]:
        """A voice for each language."""
        return self._voices

    def voice_of(self, language: str) -> str | None:
        """The voice of the very dialect, or of the language."""
        if not language:
            return None
        wanted = (language, base(language))
        same = (voice for voice in self._voices if base(voice) == base(language))
        return next((each for each in wanted if each in self._voices), next(same, None))

    async def say(self, text: str, voice: str, sample_rate: int) -> Pcm:
        """Implements Synthesiser.say. `voice` is one of `voices`, never a caller's text."""
        command = (self._path, "--stdin", "--stdout", "-b", "1", "-v", voice)
        data = await output_of(command, text, cpu_s=_CPU_S, most_bytes=_MOST_BYTES, timeout_s=_TIMEOUT_S)
        pcm = PlainReader(AudioFormat()).feed(data)
        if pcm is None:
            return Pcm(sample_rate, b"")
        samples = await asyncio.to_thread(resampled, pcm.samples, pcm.sample_rate, sample_rate)
        return Pcm(sample_rate, samples)
