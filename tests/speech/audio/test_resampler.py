import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.speech.audio.resampler import Resampler, resampled

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000]


def tone(rate: int, hertz: float = 440.0, seconds: float = 0.2) -> bytes:
    times = np.arange(round(rate * seconds)) / rate
    return (np.sin(2 * np.pi * hertz * times) * 20_000).astype(np.int16).tobytes()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("wanted", [8_000, 16_000, 22_050])
def test_a_tone_stays_the_same_tone(rate: int, wanted: int) -> None:
    found = np.frombuffer(resampled(tone(rate), rate, wanted), np.int16).astype(float)
    expected = np.frombuffer(tone(wanted), np.int16).astype(float)
    assert abs(len(found) - len(expected)) <= 1
    middle = slice(300, min(len(found), len(expected)) - 300)
    assert np.abs(found[middle] - expected[middle]).max() < 20


def test_a_tone_above_the_new_rate_is_gone() -> None:
    found = np.frombuffer(resampled(tone(48_000, 10_000.0), 48_000, 8_000), np.int16)
    assert np.abs(found[300:-300]).max() < 200


@given(
    st.lists(st.integers(0, 2000), min_size=1, max_size=8),
    st.sampled_from(RATES),
    st.sampled_from(RATES),
)
def test_pieces_make_no_difference(sizes: list[int], rate: int, wanted: int) -> None:
    samples = np.random.default_rng(1).integers(-3000, 3000, sum(sizes)).astype(np.int16)
    resampler, found, at = Resampler(rate, wanted), b"", 0
    for size in sizes:
        found += resampler.feed(samples[at : at + size].tobytes())
        at += size
    assert found + resampler.end() == resampled(samples.tobytes(), rate, wanted)
