"""Audio for the fakes: loud is speech, zeros are silence. 16-bit samples."""

from collections.abc import AsyncGenerator, Iterable

import numpy as np

from xapp.speech.fakes import LOUD

RATE = 16_000


def speech(seconds: float, rate: int = RATE) -> bytes:
    """Loud samples."""
    return np.full(round(seconds * rate), 8 * LOUD, np.int16).tobytes()


def silence(seconds: float, rate: int = RATE) -> bytes:
    """Zeros."""
    return bytes(2 * round(seconds * rate))


def in_pieces(audio: bytes, size: int = 3200) -> list[bytes]:
    """The audio in pieces of so many bytes."""
    return [audio[at : at + size] for at in range(0, len(audio), size)]


async def arriving(pieces: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The pieces one after the other."""
    for piece in pieces:
        yield piece
