"""Resampler: changes the sample rate of a stream of 16-bit samples, by a windowed sinc."""

import math

import numpy as np
from numpy.typing import NDArray

_HALF_TAPS = 16
_MOST_PHASES = 4096
"""Rates without a large common divisor are rounded to so many places between two samples."""

Floats = NDArray[np.float32]
Samples = NDArray[np.int16]


class Resampler:
    """From `rate` to `wanted` samples a second. Both are positive and within a factor of some ten."""

    def __init__(self, rate: int, wanted: int) -> None:
        divisor = math.gcd(rate, wanted)
        self._up, self._down = wanted // divisor, rate // divisor
        self._same = rate == wanted
        stretch = max(1.0, rate / wanted)
        self._half = math.ceil(_HALF_TAPS * stretch)
        self._num_phases = min(self._up, _MOST_PHASES)
        self._taps = _taps(self._num_phases, self._half, stretch)
        self._kept = np.zeros(self._half, np.float32)
        self._next = 0
        """Number of the next sample out, since `_kept` begins with sample 0 less `_half` zeros."""
        self._first = -self._half
        """Number of the first kept sample in."""

    def feed(self, samples: bytes) -> bytes:
        """The samples that are ready after these. Raises ValueError for half a sample."""
        if self._same:
            return samples
        fresh = np.frombuffer(samples, np.int16).astype(np.float32)
        self._kept = np.concatenate((self._kept, fresh))
        return self._ready(self._first + len(self._kept) - self._half)

    def end(self) -> bytes:
        """The last samples."""
        if self._same:
            return b""
        length = self._first + len(self._kept)
        self._kept = np.concatenate((self._kept, np.zeros(2 * self._half, np.float32)))
        return self._ready(length)

    def _ready(self, until: int) -> bytes:
        """The samples out that lie before the sample `until` in."""
        last = max(self._next, -(-until * self._up // self._down))
        places = np.arange(self._next, last, dtype=np.int64) * self._down
        self._next = last
        if not len(places):
            return b""
        whole, part = places // self._up, places % self._up
        phases = part * self._num_phases // self._up
        start = whole - self._first - self._half + 1
        windows = self._kept[start[:, None] + np.arange(2 * self._half)]
        out = np.einsum("ij,ij->i", windows, self._taps[phases])
        self._forget(int(last * self._down // self._up) - self._half)
        samples: Samples = np.clip(np.rint(out), -32768, 32767).astype(np.int16)
        return samples.tobytes()

    def _forget(self, before: int) -> None:
        if (count := min(before - self._first, len(self._kept))) > 0:
            self._kept = self._kept[count:]
            self._first += count


def resampled(samples: bytes, rate: int, wanted: int) -> bytes:
    """A whole piece of audio in another sample rate."""
    resampler = Resampler(rate, wanted)
    return resampler.feed(samples) + resampler.end()


def _taps(num_phases: int, half: int, stretch: float) -> Floats:
    """A filter for each place between two samples: `num_phases` rows of 2 × `half` taps, each of sum 1."""
    place = np.arange(-half + 1, half + 1) - np.arange(num_phases)[:, None] / num_phases
    window = np.cos(np.clip(place / half, -1, 1) * np.pi / 2) ** 2
    taps = np.sinc(place / stretch) * window
    whole: Floats = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return whole
