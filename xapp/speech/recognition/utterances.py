"""UtteranceFinder: cuts a stream of audio into utterances by the probability of speech in each chunk.

It knows no model: `detect` gives the probability. An utterance is bounded, so is the memory of a stream.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

SAMPLE_RATE = 16_000
CHUNK_SAMPLES = 512
CHUNK_BYTES = CHUNK_SAMPLES * 2
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE
MAX_UTTERANCE_S = 28.0
"""The window of Whisper has 30 s."""

_SPEECH, _SILENCE = 0.5, 0.35
"""Speech begins above the first probability, and goes on above the second."""
_MIN_SPEECH = 3
"""Chunks of speech that begin an utterance: a click does not."""
_BEFORE = 10
"""Chunks before the first speech that belong to the utterance: a soft consonant begins it."""
_AFTER = 4
"""Chunks of silence that stay at its end."""
_AHEAD_S = 0.2
_CUT_WITHIN = 125
"""An utterance that is too long is cut at the chunk with the least speech among so many last chunks, 4 s."""


@dataclass(frozen=True, slots=True)
class Began:
    """Speech began at `at_s`."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Piece:
    """An utterance, or its beginning so far: 16-bit samples from `start_s`; speech ended at `end_s`.

    `known_s`: the audio so far.
    """

    samples: bytes
    start_s: float
    end_s: float
    known_s: float


@dataclass(frozen=True, slots=True)
class Paused:
    """A short silence: perhaps the utterance is over."""

    piece: Piece


@dataclass(frozen=True, slots=True)
class Resumed:
    """Speech goes on after a pause."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The utterance is over."""

    piece: Piece


Happening: TypeAlias = Began | Paused | Resumed | Ended


class UtteranceFinder:
    """Fed with chunks of CHUNK_BYTES. An utterance ends after `pause_s` of silence."""

    def __init__(self, detect: Callable[[bytes], float], pause_s: float) -> None:
        self._detect = detect
        self._pause = max(1, round(pause_s / CHUNK_S))
        self._ahead = min(self._pause, max(1, round(_AHEAD_S / CHUNK_S)))
        self._before: deque[bytes] = deque(maxlen=_BEFORE + _MIN_SPEECH)
        self._chunks: list[bytes] = []
        self._probabilities: list[float] = []
        self._num_seen = 0
        self._num_speech = 0
        self._num_silent = 0
        self._first = 0

    @property
    def heard_s(self) -> float:
        """Audio so far."""
        return self._num_seen * CHUNK_S

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun."""
        return bool(self._chunks)

    @property
    def silent(self) -> bool:
        """Whether the utterance so far ends with silence."""
        return self._num_silent > 0

    def feed(self, chunk: bytes) -> list[Happening]:
        """Reads the next chunk."""
        probability = self._detect(chunk)
        self._num_seen += 1
        if self._chunks:
            return self._go_on(chunk, probability)
        self._before.append(chunk)
        self._num_speech = self._num_speech + 1 if probability >= _SPEECH else 0
        return self._begin() if self._num_speech >= _MIN_SPEECH else []

    def so_far(self) -> Piece:
        """The utterance so far."""
        kept = len(self._chunks) - max(0, self._num_silent - _AFTER)
        return self._piece(kept)

    def end(self) -> list[Happening]:
        """Ends the utterance, if there is one."""
        if not self._chunks:
            return []
        piece = self.so_far()
        self._reset()
        return [Ended(piece)]

    def _begin(self) -> list[Happening]:
        self._chunks = list(self._before)
        self._probabilities = [1.0] * len(self._chunks)
        self._first = self._num_seen - len(self._chunks)
        self._num_silent = 0
        return [Began(max(0.0, (self._num_seen - _MIN_SPEECH) * CHUNK_S))]

    def _go_on(self, chunk: bytes, probability: float) -> list[Happening]:
        self._chunks.append(chunk)
        self._probabilities.append(probability)
        resumed = probability >= _SILENCE and self._num_silent >= self._ahead
        self._num_silent = 0 if probability >= _SILENCE else self._num_silent + 1
        if self._num_silent >= self._pause:
            return self.end()
        if len(self._chunks) * CHUNK_S >= MAX_UTTERANCE_S:
            return self._cut()
        if resumed:
            return [Resumed()]
        return [Paused(self.so_far())] if self._num_silent == self._ahead else []

    def _cut(self) -> list[Happening]:
        last = range(len(self._chunks) - _CUT_WITHIN, len(self._chunks))
        at = min(last, key=self._probabilities.__getitem__)
        ended = Ended(self._piece(at))
        self._chunks, self._probabilities = self._chunks[at:], self._probabilities[at:]
        self._first += at
        self._num_silent = min(self._num_silent, len(self._chunks))
        return [ended]

    def _piece(self, num_chunks: int) -> Piece:
        start = self._first * CHUNK_S
        spoken = min(num_chunks, len(self._chunks) - self._num_silent)
        end = (self._first + spoken) * CHUNK_S
        return Piece(b"".join(self._chunks[:num_chunks]), start, end, self.heard_s)

    def _reset(self) -> None:
        self._chunks, self._probabilities = [], []
        self._before.clear()
        self._num_speech = self._num_silent = 0
