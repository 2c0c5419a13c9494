import numpy as np
import pytest

from xapp.speech.audio.g711 import A_LAW, MU_LAW, Samples, compress, expand


@pytest.mark.parametrize(
    ("law", "codes", "samples"),
    [
        (MU_LAW, [0x00, 0x7F, 0x80, 0xFF], [-32124, 0, 32124, 0]),
        (A_LAW, [0x00, 0x55, 0xD5, 0xAA], [-5504, -8, 8, 32256]),
    ],
)
def test_the_codes_of_the_recommendation(law: Samples, codes: list[int], samples: list[int]) -> None:
    assert np.frombuffer(expand(bytes(codes), law), np.int16).tolist() == samples


@pytest.mark.parametrize("law", [MU_LAW, A_LAW], ids=["mu-law", "a-law"])
def test_every_sample_goes_to_a_nearest_code(law: Samples) -> None:
    samples = np.arange(-32768, 32768, 7, dtype=np.int16)
    found = np.frombuffer(expand(compress(samples.tobytes(), law), law), np.int16).astype(int)
    nearest = np.abs(samples[:, None].astype(int) - law[None].astype(int)).min(axis=1)
    assert (np.abs(found - samples) == nearest).all()
