"""The engine that speaks English: Hibari, a small neural voice. Needs the speech extra.

Only voices that lie on this machine are offered: nothing is fetched while somebody waits.
"""

from typing import Any

import numpy as np
from hibari import SAMPLE_RATE, Hibari
from hibari.voices import VOICES, voice_path

from xapp.speech.audio.resampler import resampled
from xapp.speech.engine.process import EngineSettings, Link
from xapp.speech.messages import Loaded, Say, Spoken, ToEngine

_FULL_SCALE = 32767.0
_SEED = 0
"""The same text sounds the same each time."""


class Speaker:
    """Speaks one sentence after the other."""

    def __init__(self, link: Link, voices: dict[str, Any]) -> None:
        self._link = link
        self._voices = voices

    def handle(self, message: ToEngine) -> None:
        """Answers Say. A dropped sentence is spoken all the same: it takes a moment."""
        if not isinstance(message, Say):
            return
        audio = self._voices[message.voice](message.text, seed=_SEED)
        samples = (np.clip(audio, -1.0, 1.0) * _FULL_SCALE).astype(np.int16).tobytes()
        self._link.send(Spoken(message.job, resampled(samples, SAMPLE_RATE, message.sample_rate)))


def load(model: str, settings: EngineSettings, link: Link) -> tuple[Speaker, Loaded]:
    """The engine, warmed up. Raises OSError, RuntimeError and ValueError. `model` has no meaning."""
    voices = {name: Hibari(voice=name, threads=settings.threads) for name in VOICES if _is_here(name)}
    for voice in voices.values():
        voice("Ready.", seed=_SEED)
    return Speaker(link, voices), Loaded("hibari", ["en"], list(voices))


def _is_here(voice: str) -> bool:
    try:
        voice_path(voice, download_missing=False)
    except FileNotFoundError:
        return False
    return True
