"""The messages between the server and an engine of speech, in the frames of `domain.frames`.

Audio is signed 16-bit samples of this machine, one channel. Times are seconds, points in time are seconds
from the beginning of the audio.
"""

from typing import TypeAlias

import msgspec

# ---- server → engine


class Listen(msgspec.Struct, frozen=True, tag="listen"):
    """Opens a stream to recognise. `language` "" is detected. `pause_s` of silence end an utterance.

    Every `interim_s` of an utterance its text so far is told; 0 never. `words`: with times of words. `ahead`:
    the text is told as soon as somebody pauses, and `SpeechResumed` where that was not the end.
    """

    job: int
    sample_rate: int
    language: str = ""
    pause_s: float = 0.5
    interim_s: float = 0.0
    words: bool = False
    ahead: bool = False


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    """The next samples of a stream. `Took` answers it."""

    job: int
    samples: bytes


class EndUtterance(msgspec.Struct, frozen=True, tag="end_utterance"):
    """The utterance so far is over. `Took` answers it."""

    job: int


class EndAudio(msgspec.Struct, frozen=True, tag="end_audio"):
    """The audio is over. `Done` answers it, after the last text."""

    job: int


class Say(msgspec.Struct, frozen=True, tag="say"):
    """Speaks a sentence. `Spoken` answers it."""

    job: int
    text: str
    voice: str
    sample_rate: int


class Translate(msgspec.Struct, frozen=True, tag="translate"):
    """Translates a text. `Translated` answers it."""

    job: int
    text: str


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """Ends a job. Nothing answers it."""

    job: int


ToEngine: TypeAlias = Listen | Audio | EndUtterance | EndAudio | Say | Translate | Drop


# ---- engine → server


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The engine works. `languages` are codes such as "en", empty for any; `voices` are names."""

    engine: str
    languages: list[str] = []
    voices: list[str] = []


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The engine cannot work. The process ends after this."""

    message: str


class Took(msgspec.Struct, frozen=True, tag="took"):
    """The engine has room for as much audio again."""

    job: int


class Onset(msgspec.Struct, frozen=True, tag="onset"):
    """Speech began at `at_s`."""

    job: int
    at_s: float


class SpeechResumed(msgspec.Struct, frozen=True, tag="speech_resumed"):
    """Speech goes on after a pause: the utterance is not over."""

    job: int


class Word(msgspec.Struct, frozen=True, array_like=True):
    """One word of a text, with its probability, 0 to 1."""

    text: str
    start_s: float
    end_s: float
    probability: float


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """The text of an utterance, which began at `start_s` and, for a final text, ended at `end_s`.

    `known_s` is the length of audio after which the end of the utterance was known. `ahead`: the text was
    recognised before that. `confidence` is 0 to 1. `processed_s` is how much audio is recognised. `paused`:
    the text becomes final if the pause goes on.
    """

    job: int
    text: str
    final: bool
    language: str
    confidence: float
    start_s: float
    end_s: float
    known_s: float
    processed_s: float
    ahead: bool = False
    words: list[Word] = []
    paused: bool = False


class Spoken(msgspec.Struct, frozen=True, tag="spoken"):
    """The samples of a sentence; empty where the text has nothing to speak."""

    job: int
    samples: bytes


class Translated(msgspec.Struct, frozen=True, tag="translated"):
    """The translation."""

    job: int
    text: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The job has ended well."""

    job: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The job has ended with an error."""

    job: int
    message: str


Reply: TypeAlias = Took | Onset | SpeechResumed | Heard | Spoken | Translated | Done | Failed
FromEngine: TypeAlias = Loaded | LoadFailed | Reply

_to_engine: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)
_from_engine: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)


def decode_to_engine(body: bytes) -> ToEngine:
    """Raises msgspec.DecodeError."""
    return _to_engine.decode(body)


def decode_from_engine(body: bytes) -> FromEngine:
    """Raises msgspec.DecodeError."""
    return _from_engine.decode(body)
