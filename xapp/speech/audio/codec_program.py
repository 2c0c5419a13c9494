"""A program that decodes or encodes one stream of audio: FLAC, and Opus in Ogg, by FFmpeg's libraries.

    python -m xapp.speech.audio.codec_program decode FORMAT       a file → 16-bit samples, mono, 16,000 Hz
    python -m xapp.speech.audio.codec_program encode FORMAT RATE  16-bit samples, mono → a file

From standard input to standard output, while it arrives. A stranger's file may end this process: nothing else
ends with it. Needs the speech extra.
"""

import io
import os
import sys
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

from xapp.speech.audio.formats import ENGINE_RATE, Encoding

_CONTAINERS = {Encoding.FLAC: "flac", Encoding.OGG_OPUS: "ogg"}
_CODECS = {Encoding.FLAC: "flac", Encoding.OGG_OPUS: "libopus"}
_OPUS_RATES = {8_000, 12_000, 16_000, 24_000, 48_000}
_READ_BYTES = 64 * 1024
_AT_ONCE = {"probesize": "4096", "analyzeduration": "0"}


def decode(encoding: Encoding) -> None:
    """Raises ValueError when there is no sample in the file."""
    resampler = AudioResampler(format="s16", layout="mono", rate=ENGINE_RATE)
    found = False
    for frame in _frames(encoding):
        found = True
        _write(resampler.resample(frame))
    if not found:
        raise ValueError(f"there is no {encoding.value} audio in it")
    _write(resampler.resample(None))


def _frames(encoding: Encoding) -> Iterator[av.AudioFrame]:
    """The frames that can be decoded. The last one of a truncated file is left out."""
    # Unbuffered, so that a read returns what has arrived.
    source: Any = io.FileIO(0, closefd=False)
    try:
        with av.open(source, format=_CONTAINERS[encoding], options=_AT_ONCE) as container:
            for packet in container.demux(container.streams.audio[0]):
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError:
                    continue
    except (av.error.FFmpegError, IndexError) as error:
        if not isinstance(error, av.error.EOFError):
            raise ValueError(f"it is no {encoding.value} file: {error}") from error


def encode(encoding: Encoding, rate: int) -> None:
    """Writes a file."""
    wanted = rate if encoding is Encoding.FLAC or rate in _OPUS_RATES else 48_000
    sink: Any = io.FileIO(1, "w", closefd=False)
    with av.open(sink, "w", format=_CONTAINERS[encoding]) as container:
        stream: Any = container.add_stream(_CODECS[encoding], rate=wanted)
        stream.layout = "mono"
        resampler = AudioResampler(format=stream.format.name, layout="mono", rate=wanted)
        for samples in _pieces():
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate = rate
            container.mux([packet for each in resampler.resample(frame) for packet in stream.encode(each)])
        container.mux([packet for each in resampler.resample(None) for packet in stream.encode(each)])
        container.mux(stream.encode(None))


def _pieces() -> Iterator[Any]:
    rest = b""
    while data := os.read(0, _READ_BYTES):
        rest += data
        whole = len(rest) // 2 * 2
        if whole:
            yield np.frombuffer(rest[:whole], np.int16)
        rest = rest[whole:]


def _write(frames: list[av.AudioFrame]) -> None:
    for frame in frames:
        view = memoryview(frame.to_ndarray().tobytes())
        while view:
            view = view[os.write(1, view) :]


def main() -> int:
    """Entry point; the module's docstring has the arguments. Exit code 1: the error is on standard error."""
    what, name, *rate = sys.argv[1:]
    try:
        decode(Encoding(name)) if what == "decode" else encode(Encoding(name), int(rate[0]))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
