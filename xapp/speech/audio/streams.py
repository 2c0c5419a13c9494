"""Streams of audio: from a caller's bytes to samples, and from samples to a caller's bytes."""

import sys
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

from xapp.speech.audio import g711
from xapp.speech.audio.formats import ENGINE_RATE, AudioFormat, Encoding, Pcm
from xapp.speech.audio.plain import PlainReader
from xapp.speech.engine.programs import piped

_PROGRAM = (sys.executable, "-m", "xapp.speech.audio.codec_program")
_CPU_S = 600
_LAWS = {Encoding.MU_LAW: g711.MU_LAW, Encoding.A_LAW: g711.A_LAW}


async def decoded(
    pieces: AsyncIterable[bytes], audio_format: AudioFormat, reader: PlainReader | None = None
) -> AsyncGenerator[Pcm, None]:
    """The samples, as the bytes arrive. Raises InvalidArgument, ProgramFailed.

    `reader` reads plain encodings; it names the fields of the request in errors.
    """
    if audio_format.encoding.in_container:
        async with aclosing(_decoded_by_program(pieces, audio_format.encoding)) as samples:
            async for each in samples:
                yield each
        return
    reader = reader or PlainReader(audio_format)
    async for piece in pieces:
        if (pcm := reader.feed(piece)) is not None:
            yield pcm


async def _decoded_by_program(pieces: AsyncIterable[bytes], encoding: Encoding) -> AsyncGenerator[Pcm, None]:
    rest = b""
    command = (*_PROGRAM, "decode", encoding.value)
    async with aclosing(piped(command, pieces, cpu_s=_CPU_S)) as output:
        async for data in output:
            rest += data
            whole = len(rest) // 2 * 2
            if whole:
                yield Pcm(ENGINE_RATE, rest[:whole])
            rest = rest[whole:]


async def encoded(samples: AsyncIterable[bytes], audio_format: AudioFormat) -> AsyncGenerator[bytes, None]:
    """The bytes of mono samples in the format's own rate, as the samples arrive."""
    if audio_format.encoding.in_container:
        command = (*_PROGRAM, "encode", audio_format.encoding.value, str(audio_format.sample_rate))
        async with aclosing(piped(command, samples, cpu_s=_CPU_S)) as output:
            async for data in output:
                yield data
        return
    async for piece in samples:
        yield encoded_plainly(piece, audio_format.encoding)


def encoded_plainly(samples: bytes, encoding: Encoding) -> bytes:
    """Samples in an encoding that needs no codec."""
    law = _LAWS.get(encoding)
    return samples if law is None else g711.compress(samples, law)
