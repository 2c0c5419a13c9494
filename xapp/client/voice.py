"""VoiceClient: speech with a node. The stubs are imported on use.

Riva's own client has messages of the same names: import the two in different processes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from xapp.client.calls import Calls

if TYPE_CHECKING:
    from xapp.riva import riva_asr_pb2 as asr
    from xapp.riva import riva_nmt_pb2 as nmt
    from xapp.speech.v1 import speech_pb2 as pb

SAMPLE_RATE = 16_000
_PIECE_S = 0.1


class VoiceClient:
    """Made by `Client.voice`. Audio is 16-bit samples, one channel. Every method raises ClientError."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def speak(
        self,
        text: str,
        *,
        language: str = "en-US",
        voice: str = "",
        sample_rate: int = SAMPLE_RATE,
        deadline_s: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The audio of a text, sentence by sentence."""
        from xapp.riva import riva_audio_pb2, riva_tts_pb2, riva_tts_pb2_grpc  # noqa: PLC0415

        request = riva_tts_pb2.SynthesizeSpeechRequest(
            text=text,
            language_code=language,
            voice_name=voice,
            sample_rate_hz=sample_rate,
            encoding=riva_audio_pb2.LINEAR_PCM,
        )
        stub: Any = self._calls.stub(riva_tts_pb2_grpc.RivaSpeechSynthesisStub)
        answers = self._calls.stream(stub.SynthesizeOnline, iter((request,)), deadline_s)
        async with aclosing(answers) as pieces:
            async for piece in pieces:
                yield piece.audio

    async def transcribe(
        self,
        audio: AsyncIterable[bytes],
        config: "asr.StreamingRecognitionConfig",
        *,
        deadline_s: float | None = None,
    ) -> "AsyncGenerator[asr.StreamingRecognitionResult, None]":
        """The texts of audio, as they become known."""
        from xapp.riva import riva_asr_pb2, riva_asr_pb2_grpc  # noqa: PLC0415

        async def requests() -> "AsyncGenerator[asr.StreamingRecognizeRequest, None]":
            yield riva_asr_pb2.StreamingRecognizeRequest(streaming_config=config)
            async for piece in audio:
                yield riva_asr_pb2.StreamingRecognizeRequest(audio_content=piece)

        stub: Any = self._calls.stub(riva_asr_pb2_grpc.RivaSpeechRecognitionStub)
        answers = self._calls.stream(stub.StreamingRecognize, requests(), deadline_s)
        async with aclosing(answers) as responses:
            async for response in responses:
                for result in response.results:
                    yield result

    async def translate(
        self, text: str, source: str, target: str, *, engine: str = "", deadline_s: float | None = None
    ) -> str:
        """The translation of a text. `engine` "" is the best engine of the node for the pair."""
        from xapp.riva import riva_nmt_pb2, riva_nmt_pb2_grpc  # noqa: PLC0415

        request = riva_nmt_pb2.TranslateTextRequest(
            texts=[text], model=engine, source_language=source, target_language=target
        )
        stub: Any = self._calls.stub(riva_nmt_pb2_grpc.RivaTranslationStub)
        response: nmt.TranslateTextResponse = await self._calls.unary(stub.TranslateText, request, deadline_s)
        return response.translations[0].text

    async def converse(
        self, config: "pb.ConverseConfig", audio: AsyncIterable[bytes], *, deadline_s: float | None = None
    ) -> "AsyncGenerator[pb.ConverseResponse, None]":
        """What the node says in a conversation. The conversation ends after the audio and the last answer."""
        from xapp.speech.v1 import speech_pb2, speech_pb2_grpc  # noqa: PLC0415

        async def requests() -> "AsyncGenerator[pb.ConverseRequest, None]":
            yield speech_pb2.ConverseRequest(config=config)
            async for piece in audio:
                yield speech_pb2.ConverseRequest(audio=piece)

        stub: Any = self._calls.stub(speech_pb2_grpc.VoiceServiceStub)
        async with aclosing(self._calls.stream(stub.Converse, requests(), deadline_s)) as responses:
            async for response in responses:
                yield response

    async def voices(self, *, deadline_s: float | None = None) -> "pb.GetVoicesResponse":
        """The engines of speech of the node."""
        from xapp.speech.v1 import speech_pb2, speech_pb2_grpc  # noqa: PLC0415

        stub: Any = self._calls.stub(speech_pb2_grpc.VoiceServiceStub)
        response: speech_pb2.GetVoicesResponse = await self._calls.unary(
            stub.GetVoices, speech_pb2.GetVoicesRequest(), deadline_s
        )
        return response


async def as_recorded(samples: bytes, sample_rate: int = SAMPLE_RATE) -> AsyncGenerator[bytes, None]:
    """The samples as a microphone gives them: in pieces of 0.1 s, each when it is over."""
    size = 2 * int(sample_rate * _PIECE_S)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for number, at in enumerate(range(0, len(samples), size), 1):
        await asyncio.sleep(begin + number * _PIECE_S - loop.time())
        yield samples[at : at + size]


async def at_once(audio: bytes, piece_bytes: int = 32_000) -> AsyncGenerator[bytes, None]:
    """Audio of a file, as fast as it is taken."""
    for at in range(0, len(audio), piece_bytes):
        yield audio[at : at + piece_bytes]
