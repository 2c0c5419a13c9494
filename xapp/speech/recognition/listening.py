"""Listening: one stream of audio inside the engine's process, from samples to pieces of speech."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from xapp.speech.messages import Listen
from xapp.speech.recognition.utterances import CHUNK_BYTES, Happening, UtteranceFinder


class Resampler(Protocol):
    """Brings audio to 16,000 samples a second."""

    def feed(self, samples: bytes) -> bytes:
        """The samples that are ready after these."""
        ...

    def end(self) -> bytes:
        """The last samples."""
        ...


class Listening:
    """The audio of a stream that waits, and the finder of its utterances.

    The server sends no more than a window of audio that waits, so `waiting` is bounded.
    """

    def __init__(self, listen: Listen, resampler: Resampler, detect: Callable[[bytes], float]) -> None:
        self.listen = listen
        self.waiting: deque[bytes | None] = deque()
        """Pieces of audio; None ends an utterance."""
        self.ended = False
        self.num_finals = 0
        """Utterances that are over and not recognised yet."""
        self.finder = UtteranceFinder(detect, listen.pause_s)
        self._resampler = resampler
        self._rest = bytearray()
        self._finished = False

    def hear(self, piece: bytes | None) -> list[Happening]:
        """What happened in the next piece."""
        if piece is None:
            return self.finder.end()
        return self._find(self._resampler.feed(piece))

    def finish(self) -> list[Happening]:
        """What happened in the end of the audio; nothing the second time."""
        if self._finished:
            return []
        self._finished = True
        last = self._find(self._resampler.end() + bytes(CHUNK_BYTES))
        return [*last, *self.finder.end()]

    def _find(self, samples: bytes) -> list[Happening]:
        self._rest += samples
        found: list[Happening] = []
        whole = len(self._rest) // CHUNK_BYTES * CHUNK_BYTES
        for start in range(0, whole, CHUNK_BYTES):
            found += self.finder.feed(bytes(self._rest[start : start + CHUNK_BYTES]))
        del self._rest[:whole]
        return found
