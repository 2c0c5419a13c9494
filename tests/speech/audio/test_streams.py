"""FLAC and Opus, by the program that decodes and encodes, in a process of its own."""

from collections.abc import Iterable

import numpy as np
import pytest

from tests.speech import needs
from tests.speech.audio.test_resampler import tone
from tests.speech.sounds import arriving, in_pieces, silence
from xapp.speech.audio.formats import AudioFormat, Encoding
from xapp.speech.audio.streams import decoded, encoded
from xapp.speech.engine.programs import ProgramFailed

pytestmark = [needs.codecs, pytest.mark.slow]

CONTAINERS = [Encoding.FLAC, Encoding.OGG_OPUS]


async def file_of(samples: bytes, encoding: Encoding, rate: int = 16_000) -> bytes:
    pieces = arriving(in_pieces(samples))
    return b"".join([piece async for piece in encoded(pieces, AudioFormat(encoding, rate))])


async def samples_of(pieces: Iterable[bytes], encoding: Encoding) -> bytes:
    return b"".join([pcm.samples async for pcm in decoded(arriving(pieces), AudioFormat(encoding))])


@pytest.mark.parametrize("encoding", CONTAINERS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050])
async def test_there_and_back(encoding: Encoding, rate: int) -> None:
    file = await file_of(tone(rate, seconds=1.0), encoding, rate)
    found = np.frombuffer(await samples_of(in_pieces(file, 1000), encoding), np.int16)
    assert len(found) == pytest.approx(16_000, rel=0.05)
    middle = found[4000:12_000].astype(float)
    strongest = np.argmax(np.abs(np.fft.rfft(middle))) * 16_000 / len(middle)
    assert strongest == pytest.approx(440, abs=5)


async def test_flac_is_exact() -> None:
    samples = tone(16_000)
    assert await samples_of([await file_of(samples, Encoding.FLAC)], Encoding.FLAC) == samples


async def test_a_truncated_flac_gives_its_beginning() -> None:
    file = await file_of(tone(16_000, seconds=2.0), Encoding.FLAC)
    found = await samples_of([file[: len(file) // 2]], Encoding.FLAC)
    assert 0 < len(found) < 2 * 2 * 16_000


@pytest.mark.parametrize("encoding", CONTAINERS)
@pytest.mark.parametrize("file", [b"", b"fLaC", b"OggS" + bytes(100), b"\xff" * 5000], ids=range(4))
async def test_what_is_no_file_of_that_kind(encoding: Encoding, file: bytes) -> None:
    with pytest.raises(ProgramFailed, match=r"audio in it|no .* file"):
        await samples_of([file], encoding)


async def test_an_hour_of_silence_in_a_small_file_is_bounded_by_its_reader() -> None:
    file = await file_of(silence(600), Encoding.FLAC)
    assert len(file) < 1_000_000
    audio = decoded(arriving(in_pieces(file)), AudioFormat(Encoding.FLAC))
    total = 0
    async for pcm in audio:
        total += len(pcm.samples)
        if total > 1_000_000:
            break
    await audio.aclose()
    assert total < 2_000_000
