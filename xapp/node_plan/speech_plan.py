"""The memory and the threads of the engines of speech, from their files. None is loaded."""

from collections.abc import Iterator
from pathlib import Path

from xapp.config import SpeechSettings
from xapp.errors import ConfigError
from xapp.node_plan.planned import CpuPlace, PlannedService
from xapp.speech.models import RECOGNITION_KEY, recognition_folder
from xapp.speech.node import SYNTHESIS_KEY, TRANSLATION_KEY, engine_names, recognition_threads

WHISPER_WORK_BYTES = 175_000_000
"""Beside the model, for 28 s of speech with words. Measured with `whisper-tiny.en`: 249 MB with its 75 MB."""
HIBARI_BYTES = 220_000_000
"""Measured. 14 MB of it are the voice."""
HIBARI_LEAST_BYTES = 14_000_000
CTRANSLATE_WORK_BYTES = 120_000_000
"""Python, CTranslate2 and a sentence."""
PROGRAM_BYTES = 32_000_000
"""A program that runs for one text. It is there for that time only."""
_SMALLEST_SHARE = 4
"""CTranslate2 computes in 8 bits: a file of 32-bit weights takes a quarter of its size."""


def planned_speech(speech: SpeechSettings, cores: int) -> Iterator[PlannedService]:
    """A wrong setting has no service here: the start reports it."""
    threads = recognition_threads(speech, cores)
    if speech.recognition and (model_bytes := _whisper_bytes(speech.recognition)):
        yield planned_whisper(model_bytes, threads)
    for name in engine_names(speech.synthesis):
        if name == "hibari":
            yield _engine(name, SYNTHESIS_KEY, HIBARI_LEAST_BYTES, HIBARI_BYTES, 1)
        elif name == "espeak":
            yield _engine(name, SYNTHESIS_KEY, 0, PROGRAM_BYTES, 1)
    for name in engine_names(speech.translation):
        pair, _, folder = name.partition("=")
        if folder and (model_bytes := _model_bytes(folder)):
            least, sized = model_bytes // _SMALLEST_SHARE, model_bytes + CTRANSLATE_WORK_BYTES
            yield _engine(f"ctranslate2 {pair}", TRANSLATION_KEY, least, sized, threads)
        elif name == "apertium":
            yield _engine(name, TRANSLATION_KEY, 0, PROGRAM_BYTES, 1)


def planned_whisper(model_bytes: int, threads: int) -> PlannedService:
    """Recognition with a model of that size."""
    least, sized = model_bytes // _SMALLEST_SHARE, model_bytes + WHISPER_WORK_BYTES
    return _engine("whisper", RECOGNITION_KEY, least, sized, threads)


def _engine(name: str, key: str, least: int, sized: int, threads: int) -> PlannedService:
    return PlannedService(name, "speech", key, least, sized, threads, CpuPlace.SPEECH)


def _whisper_bytes(setting: str) -> int:
    try:
        return _model_bytes(recognition_folder(setting))
    except ConfigError:
        return 0


def _model_bytes(folder: str) -> int:
    """Of `model.bin`; 0 without the file."""
    try:
        return Path(folder, "model.bin").stat().st_size
    except OSError:
        return 0
