"""The formats of audio that callers send and get."""

from dataclasses import dataclass
from enum import Enum

from xapp.errors import InvalidArgument

MIN_RATE, MAX_RATE = 8_000, 48_000
MAX_CHANNELS = 8
ENGINE_RATE = 16_000


class Encoding(Enum):
    """How samples became bytes."""

    PCM = "pcm"
    MU_LAW = "mu-law"
    A_LAW = "a-law"
    FLAC = "flac"
    OGG_OPUS = "ogg-opus"

    @property
    def in_container(self) -> bool:
        """Whether the file states its own rate, and a program has to decode it."""
        return self in {Encoding.FLAC, Encoding.OGG_OPUS}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """`sample_rate` 0 is what the file states."""

    encoding: Encoding = Encoding.PCM
    sample_rate: int = ENGINE_RATE
    num_channels: int = 1


@dataclass(frozen=True, slots=True)
class Pcm:
    """16-bit samples, one channel."""

    sample_rate: int
    samples: bytes

    @property
    def seconds(self) -> float:
        """Their length."""
        return len(self.samples) / 2 / self.sample_rate


def check_rate(field: str, rate: int) -> int:
    """Raises InvalidArgument with the field for a rate that is no rate of speech."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InvalidArgument(field, f"{rate} is not within {MIN_RATE:,} to {MAX_RATE:,}")
    return rate


def check_channels(field: str, count: int) -> int:
    """Raises InvalidArgument with the field."""
    if not 1 <= count <= MAX_CHANNELS:
        raise InvalidArgument(field, f"{count} is not within 1 to {MAX_CHANNELS}")
    return count
