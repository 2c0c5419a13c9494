"""RivaSpeechSynthesis: converts and delegates."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from xapp.errors import InvalidArgument
from xapp.riva import riva_tts_pb2 as tts
from xapp.riva import riva_tts_pb2_grpc
from xapp.server.speech.convert import to_encoding
from xapp.server.speech.messages import messages
from xapp.server.speech.shared import Shared
from xapp.speech.audio.formats import AudioFormat, check_rate
from xapp.speech.audio.streams import encoded
from xapp.speech.languages import to_language
from xapp.speech.synthesis.voices import Voice, Voices, check_text, spoken

DEFAULT_RATE = 22_050


class SynthesisServicer(riva_tts_pb2_grpc.RivaSpeechSynthesisServicer):
    """A text is spoken sentence by sentence."""

    def __init__(self, voices: Voices, shared: Shared) -> None:
        self._voices = voices
        self._shared = shared

    async def Synthesize(  # noqa: N802
        self, request: tts.SynthesizeSpeechRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> tts.SynthesizeSpeechResponse:
        """The audio of the whole text."""
        voice, audio_format = self._voice(request)
        audio = bytearray()
        with self._shared.place():
            async with aclosing(self._speak(_once(self._text(request)), voice, audio_format)) as pieces:
                async for piece in pieces:
                    audio += piece
                    if len(audio) > self._shared.max_audio_bytes:
                        raise _too_long(self._shared.max_audio_bytes)
        meta = tts.SynthesizeSpeechResponseMetadata(text=request.text, processed_text=request.text)
        return tts.SynthesizeSpeechResponse(audio=bytes(audio), meta=meta, id=request.id)

    async def SynthesizeOnline(  # type: ignore[override]  # noqa: N802
        self,
        requests: AsyncIterator[tts.SynthesizeSpeechRequest],
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> None:
        """Audio sentence by sentence, while the texts arrive. The first request chooses the voice."""
        async with self._shared.opened(requests) as (stream, first):
            if first is None:
                return
            voice, audio_format = self._voice(first)
            async with aclosing(self._speak(self._texts(first, requests), voice, audio_format)) as pieces:
                async for piece in pieces:
                    if piece:
                        await stream.send(
                            context.write(tts.SynthesizeSpeechResponse(audio=piece, id=first.id))
                        )

    def _voice(self, request: tts.SynthesizeSpeechRequest) -> tuple[Voice, AudioFormat]:
        if request.HasField("zero_shot_data"):
            raise InvalidArgument("zero_shot_data", "voices are not imitated here")
        rate = check_rate("sample_rate_hz", request.sample_rate_hz or DEFAULT_RATE)
        audio_format = AudioFormat(to_encoding("encoding", request.encoding), rate)
        language = to_language("language_code", request.language_code)
        return self._voices.find(request.voice_name, language, rate), audio_format

    def _text(self, request: tts.SynthesizeSpeechRequest) -> str:
        return check_text("text", request.text, self._shared.table.max_text_chars)

    async def _texts(
        self, first: tts.SynthesizeSpeechRequest, requests: AsyncIterator[tts.SynthesizeSpeechRequest]
    ) -> AsyncGenerator[str, None]:
        """The texts of all requests, each a paragraph of its own."""
        yield self._text(first) + "\n"
        async for request in messages(requests):
            yield self._text(request) + "\n"

    async def _speak(
        self, texts: AsyncGenerator[str, None], voice: Voice, audio_format: AudioFormat
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(encoded(self._samples(texts, voice), audio_format)) as pieces:
            async for piece in pieces:
                yield piece

    async def _samples(self, texts: AsyncGenerator[str, None], voice: Voice) -> AsyncGenerator[bytes, None]:
        async with aclosing(texts), aclosing(spoken(texts, voice)) as sentences:
            async for _, pcm in sentences:
                self._shared.metrics.speech_spoken.labels(voice.engine.name).inc(pcm.seconds)
                yield pcm.samples

    async def GetRivaSynthesisConfig(  # noqa: N802
        self, request: tts.RivaSynthesisConfigRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> tts.RivaSynthesisConfigResponse:
        """The engines, their languages and voices."""
        response = tts.RivaSynthesisConfigResponse()
        for engine in self._voices.engines:
            if request.model_name in {"", engine.name}:
                parameters = {
                    "language_code": ",".join(engine.languages),
                    "voice_name": next(iter(engine.voices), ""),
                    "subvoices": ",".join(engine.voices),
                    "ready": str(engine.ready),
                }
                response.model_config.add(model_name=engine.name, parameters=parameters)
        return response


async def _once(text: str) -> AsyncGenerator[str, None]:
    yield text


def _too_long(most: int) -> InvalidArgument:
    message = f"its audio has more than {most:,} bytes: use SynthesizeOnline"
    return InvalidArgument("text", message, reason="TEXT_TOO_LONG")
