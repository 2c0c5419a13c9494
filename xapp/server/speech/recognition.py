"""RivaSpeechRecognition: converts and delegates."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from xapp.errors import InvalidArgument
from xapp.riva import riva_asr_pb2 as asr
from xapp.riva import riva_asr_pb2_grpc
from xapp.server.speech import convert
from xapp.server.speech.messages import messages
from xapp.server.speech.shared import Shared
from xapp.speech.protocols import Recogniser
from xapp.speech.recognition.recognition import Source, heard_in


class RecognitionServicer(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):
    """Every text of a call comes from one stream of the recogniser."""

    def __init__(self, recogniser: Recogniser, shared: Shared) -> None:
        self._recogniser = recogniser
        self._shared = shared

    async def Recognize(  # noqa: N802
        self, request: asr.RecognizeRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> asr.RecognizeResponse:
        """The texts of the whole audio."""
        if not request.audio:
            raise InvalidArgument("audio", "is empty")
        options = convert.to_options(request.config)
        with self._shared.place():
            source = self._source(_once(request.audio), request.config, self._shared.table.max_audio_s)
            async with aclosing(heard_in(source, self._recogniser, options)) as events:
                found = [heard async for heard in events if heard.final and heard.text]
        return asr.RecognizeResponse(results=convert.results(found), id=request.id)

    async def StreamingRecognize(  # type: ignore[override]  # noqa: N802
        self,
        requests: AsyncIterator[asr.StreamingRecognizeRequest],
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> None:
        """Texts while the audio arrives."""
        async with self._shared.opened(requests) as (stream, first):
            if first is None:
                return
            config = _config(first)
            options = convert.to_options(config.config, interim=config.interim_results)
            source = self._source(_audio(requests), config.config)
            async with aclosing(heard_in(source, self._recogniser, options)) as events:
                async for heard in events:
                    if heard.text:
                        response = asr.StreamingRecognizeResponse(
                            results=[convert.streaming_result(heard)], id=first.id
                        )
                        await stream.send(context.write(response))

    def _source(
        self, pieces: AsyncIterator[bytes], config: asr.RecognitionConfig, most_s: float | None = None
    ) -> Source:
        fields = ("config.sample_rate_hertz", "audio")
        return Source(
            pieces, convert.to_format(config), fields, self._shared.metrics.speech_heard.inc, most_s
        )

    async def GetRivaSpeechRecognitionConfig(  # noqa: N802
        self,
        request: asr.RivaSpeechRecognitionConfigRequest,
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> asr.RivaSpeechRecognitionConfigResponse:
        """The engine and its languages."""
        recogniser = self._recogniser
        response = asr.RivaSpeechRecognitionConfigResponse()
        if request.model_name in {"", recogniser.name}:
            parameters = {
                "language_code": ",".join(recogniser.languages),
                "streaming": "True",
                "type": "online",
                "ready": str(recogniser.ready),
            }
            response.model_config.add(model_name=recogniser.name, parameters=parameters)
        return response


def _config(first: asr.StreamingRecognizeRequest) -> asr.StreamingRecognitionConfig:
    if first.WhichOneof("streaming_request") != "streaming_config":
        raise InvalidArgument("streaming_request", "the first message has a streaming_config")
    return first.streaming_config


async def _audio(requests: AsyncIterator[asr.StreamingRecognizeRequest]) -> AsyncGenerator[bytes, None]:
    async for message in messages(requests):
        if message.WhichOneof("streaming_request") == "streaming_config":
            raise InvalidArgument("streaming_request", "only the first message has a streaming_config")
        yield message.audio_content


async def _once(audio: bytes) -> AsyncGenerator[bytes, None]:
    yield audio
