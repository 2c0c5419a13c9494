"""G.711: the mu-law and A-law of telephony, a byte a sample."""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


def _mu_law() -> Samples:
    code = ~np.arange(256) & 0xFF
    size = ((((code & 0xF) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _a_law() -> Samples:
    code = np.arange(256) ^ 0x55
    segment, step = (code & 0x70) >> 4, (code & 0xF) << 4
    size = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.int16)


MU_LAW, A_LAW = _mu_law(), _a_law()
"""The sample of each code."""


def expand(data: bytes, law: Samples) -> bytes:
    """Codes to 16-bit samples."""
    return law[np.frombuffer(data, np.uint8)].tobytes()


def compress(samples: bytes, law: Samples) -> bytes:
    """16-bit samples to the nearest codes."""
    order = np.argsort(law, kind="stable")
    values = law[order].astype(np.int32)
    middles = (values[1:] + values[:-1]) / 2
    return order[np.searchsorted(middles, np.frombuffer(samples, np.int16))].astype(np.uint8).tobytes()
