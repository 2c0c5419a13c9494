"""PlainReader: samples of a stream that needs no codec: PCM, mu-law, A-law, with a WAV header or without."""

import numpy as np
from numpy.typing import NDArray

from xapp.errors import InvalidArgument
from xapp.speech.audio import g711, wav
from xapp.speech.audio.formats import AudioFormat, Encoding, Pcm, check_channels, check_rate

_OF_WAV = {wav.PCM: Encoding.PCM, wav.A_LAW: Encoding.A_LAW, wav.MU_LAW: Encoding.MU_LAW}
_LAWS = {Encoding.MU_LAW: g711.MU_LAW, Encoding.A_LAW: g711.A_LAW}
_SNIFF_BYTES = 4


class PlainReader:
    """Fed with the bytes of a stream in pieces of any size. A header decides, whatever the format says.

    `rate_field` and `audio_field` name the fields of the request in errors.
    """

    def __init__(
        self, audio_format: AudioFormat, rate_field: str = "sample_rate", audio_field: str = "audio"
    ) -> None:
        self._format = audio_format
        self._rate_field, self._audio_field = rate_field, audio_field
        self._rest = b""
        self._in_header = True
        self._left: int | None = None

    def feed(self, data: bytes) -> Pcm | None:
        """The samples in these bytes; None while there are none. Raises InvalidArgument."""
        self._rest += data
        if self._in_header and not self._pass_header():
            return None
        size = self._format.num_channels * (2 if self._format.encoding is Encoding.PCM else 1)
        most = len(self._rest) if self._left is None else min(len(self._rest), self._left)
        whole = most // size * size
        taken, self._rest = self._rest[:whole], self._rest[whole:]
        if self._left is not None:
            self._left -= whole
            self._rest = self._rest[: self._left]
        return Pcm(self._format.sample_rate, self._mono(self._samples(taken))) if taken else None

    def _pass_header(self) -> bool:
        """Whether the samples begin."""
        if len(self._rest) < _SNIFF_BYTES:
            return False
        if not wav.looks_like_wav(self._rest):
            check_rate(self._rate_field, self._format.sample_rate)
            self._in_header = False
            return True
        header = self._read_header()
        if header is None:
            return False
        rate = check_rate(f"{self._audio_field}: the sample rate of its header", header.sample_rate)
        channels = check_channels(self._audio_field, header.num_channels)
        self._format = AudioFormat(_OF_WAV[header.coding], rate, channels)
        self._rest, self._left = self._rest[header.data_at :], header.num_bytes
        self._in_header = False
        return True

    def _read_header(self) -> wav.WavHeader | None:
        try:
            return wav.read_header(self._rest)
        except wav.WavError as error:
            raise InvalidArgument(self._audio_field, str(error), reason="BAD_AUDIO") from error

    def _samples(self, data: bytes) -> bytes:
        law = _LAWS.get(self._format.encoding)
        return data if law is None else g711.expand(data, law)

    def _mono(self, samples: bytes) -> bytes:
        if (channels := self._format.num_channels) == 1:
            return samples
        frames = np.frombuffer(samples, np.int16).reshape(-1, channels)
        mixed: NDArray[np.int16] = frames.mean(axis=1).astype(np.int16)
        return mixed.tobytes()
