"""WAV: reads the header of a file that arrives in pieces, and writes headers.

A length that the header states is believed only if the file is not shorter.
"""

import struct
from dataclasses import dataclass

MAX_HEADER_BYTES = 64 * 1024
PCM, A_LAW, MU_LAW, EXTENSIBLE = 1, 6, 7, 0xFFFE
_NO_LENGTH = 0x7FFF0000
"""Programs that write WAV into a pipe state such a length, or 0."""
_FORMAT = struct.Struct("<HHIIHH")


class WavError(ValueError):
    """It is no WAV that can be read. The message says why."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """`num_bytes` is the stated length of the samples, None if it says nothing; `data_at` is their place."""

    coding: int
    num_channels: int
    sample_rate: int
    num_bits: int
    num_bytes: int | None
    data_at: int


def looks_like_wav(data: bytes) -> bool:
    """Whether a file begins so."""
    return data[:4] == b"RIFF"


def read_header(data: bytes) -> WavHeader | None:
    """The header; None while it is not whole. Raises WavError."""
    if len(data) < 12:
        return None
    if data[8:12] != b"WAVE":
        raise WavError("it begins with RIFF, but is no WAVE file")
    at, fields = 12, None
    while at + 8 <= len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            return _header(fields, length, at + 8)
        if name == b"fmt " and at + 8 + length <= len(data):
            fields = _fields(data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    if len(data) > MAX_HEADER_BYTES or at > MAX_HEADER_BYTES:
        raise WavError(f"there are no samples within the first {MAX_HEADER_BYTES:,} bytes")
    return None


def _fields(chunk: bytes) -> tuple[int, int, int, int]:
    if len(chunk) < _FORMAT.size:
        raise WavError("its format has too few bytes")
    coding, num_channels, rate, _, _, num_bits = _FORMAT.unpack_from(chunk)
    if coding == EXTENSIBLE and len(chunk) >= 26:
        coding = int.from_bytes(chunk[24:26], "little")
    return coding, num_channels, rate, num_bits


def _header(fields: tuple[int, int, int, int] | None, length: int, at: int) -> WavHeader:
    if fields is None:
        raise WavError("its samples come before its format")
    coding, num_channels, rate, num_bits = fields
    if (coding, num_bits) not in {(PCM, 16), (A_LAW, 8), (MU_LAW, 8)}:
        raise WavError(
            f"format {coding} with {num_bits} bits cannot be read: 16-bit PCM, A-law or mu-law can"
        )
    if not 1 <= num_channels <= 8:
        raise WavError(f"{num_channels} channels cannot be read: 1 to 8 can")
    stated = length if 0 < length < _NO_LENGTH else None
    return WavHeader(coding, num_channels, rate, num_bits, stated, at)


def wav_file(samples: bytes, sample_rate: int) -> bytes:
    """A whole file of 16-bit samples, one channel."""
    form = _FORMAT.pack(PCM, 1, sample_rate, sample_rate * 2, 2, 16)
    chunks = b"WAVEfmt " + len(form).to_bytes(4, "little") + form
    chunks += b"data" + len(samples).to_bytes(4, "little") + samples
    return b"RIFF" + len(chunks).to_bytes(4, "little") + chunks
