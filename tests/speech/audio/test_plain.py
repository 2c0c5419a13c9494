"""PCM, mu-law and A-law, bare and in WAV files, whatever their headers say."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.errors import InvalidArgument
from xapp.speech.audio.formats import AudioFormat, Encoding
from xapp.speech.audio.g711 import A_LAW, compress
from xapp.speech.audio.plain import PlainReader
from xapp.speech.audio.wav import WavError, read_header, wav_file

SAMPLES = np.arange(-500, 500, dtype=np.int16).tobytes()


def read(data: bytes, audio_format: AudioFormat | None = None, size: int = 100) -> tuple[bytes, set[int]]:
    """The samples, and the rates that they were said to have."""
    reader, found, rates = PlainReader(audio_format or AudioFormat()), b"", set()
    for at in range(0, len(data), size):
        if (pcm := reader.feed(data[at : at + size])) is not None:
            found += pcm.samples
            rates.add(pcm.sample_rate)
    return found, rates


def stating(length: int) -> bytes:
    """A WAV file that says so of its length."""
    file = wav_file(SAMPLES, 8_000)
    return file[:40] + length.to_bytes(4, "little") + file[44:]


@given(st.integers(1, 3000))
def test_pieces_of_any_size(size: int) -> None:
    assert read(wav_file(SAMPLES, 8_000), size=size) == (SAMPLES, {8_000})
    assert read(SAMPLES, size=size) == (SAMPLES, {16_000})


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFFF, 1_000_000])
def test_a_header_that_states_too_much_is_not_believed(length: int) -> None:
    assert read(stating(length))[0] == SAMPLES


def test_what_comes_behind_the_stated_samples_is_no_audio() -> None:
    assert read(stating(len(SAMPLES)) + b"LIST" + bytes(500))[0] == SAMPLES


def test_channels_are_mixed() -> None:
    left, right = np.full(100, 300, np.int16), np.full(100, 100, np.int16)
    both = np.stack((left, right), axis=1).tobytes()
    found, _ = read(both, AudioFormat(num_channels=2))
    assert set(np.frombuffer(found, np.int16).tolist()) == {200}


def test_a_law_in_a_wav_file() -> None:
    codes = compress(SAMPLES, A_LAW)
    form = struct.pack("<HHIIHH", 6, 1, 8000, 8000, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(codes)) + codes
    expected, _ = read(codes, AudioFormat(Encoding.A_LAW, 8_000))
    assert read(b"RIFF" + struct.pack("<I", len(body)) + body) == (expected, {8_000})


@pytest.mark.parametrize("rate", [0, 1, 7_999, 48_001])
def test_a_rate_that_is_none_of_speech(rate: int) -> None:
    with pytest.raises(InvalidArgument, match="is not within") as caught:
        read(SAMPLES, AudioFormat(sample_rate=rate))
    assert caught.value.field == "sample_rate"
    with pytest.raises(InvalidArgument, match="is not within"):
        read(wav_file(SAMPLES, rate))


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"RIFF\x00\x00\x00\x00AVI " + bytes(100), "no WAVE"),
        (b"RIFF\x00\x00\x00\x00WAVEdata" + bytes(100), "before its format"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt \x02\x00\x00\x00\x01\x00" + bytes(100), "too few bytes"),
        (b"RIFF\x00\x00\x00\x00WAVE" + b"junk\xff\xff\x01\x00" + bytes(200_000), "no samples"),
        (wav_file(b"", 8000).replace(b"\x10\x00data", b"\x18\x00data"), "24 bits"),
    ],
)
def test_no_wav(file: bytes, why: str) -> None:
    with pytest.raises(InvalidArgument, match=why) as caught:
        read(file)
    assert caught.value.reason == "BAD_AUDIO"


@given(st.binary(max_size=200))
def test_any_bytes_behind_riff_are_read_or_refused(data: bytes) -> None:
    try:
        header = read_header(b"RIFF\x00\x00\x00\x00WAVE" + data)
    except WavError:
        return
    assert header is None or header.num_channels <= 8
