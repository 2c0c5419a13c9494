"""RivaSpeechRecognition over the wire, on a fake recogniser."""

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
import pytest

from tests.server.rich import details_of
from tests.server.speech.nodes import TIMEOUT_S, FakeSpeech, SpeechCaller, speaking
from tests.speech.sounds import in_pieces, silence, speech
from xapp.errors import Unavailable
from xapp.riva import riva_asr_pb2 as asr
from xapp.riva import riva_audio_pb2, riva_common_pb2
from xapp.server.speech import messages
from xapp.speech.audio.g711 import MU_LAW, compress
from xapp.speech.audio.wav import wav_file
from xapp.speech.fakes import FakeRecogniser
from xapp.speech.protocols import Hearing, ListenOptions

PCM = asr.RecognitionConfig(
    encoding=riva_audio_pb2.LINEAR_PCM, sample_rate_hertz=16_000, language_code="en-US"
)
ONE_SECOND = speech(1) + silence(0.5)


async def recognised(caller: SpeechCaller, audio: bytes, **fields: Any) -> list[str]:
    config = asr.RecognitionConfig()
    config.CopyFrom(PCM)
    config.MergeFrom(asr.RecognitionConfig(**fields))
    request = asr.RecognizeRequest(config=config, audio=audio)
    response = await caller.recognition.Recognize(request, timeout=TIMEOUT_S)
    return [result.alternatives[0].transcript for result in response.results]


async def refused(caller: SpeechCaller, audio: bytes, **fields: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await recognised(caller, audio, **fields)
    return caught.value.code(), caught.value.details() or ""


def stream(
    pieces: Iterable[bytes], *, interim: bool = False, **fields: Any
) -> list[asr.StreamingRecognizeRequest]:
    config = asr.RecognitionConfig()
    config.CopyFrom(PCM)
    config.MergeFrom(asr.RecognitionConfig(**fields))
    first = asr.StreamingRecognitionConfig(config=config, interim_results=interim)
    return [
        asr.StreamingRecognizeRequest(streaming_config=first, id=riva_common_pb2.RequestId(value="r-1")),
        *(asr.StreamingRecognizeRequest(audio_content=piece) for piece in pieces),
    ]


async def streamed(
    caller: SpeechCaller, requests: Iterable[asr.StreamingRecognizeRequest]
) -> list[asr.StreamingRecognizeResponse]:
    call = caller.recognition.StreamingRecognize(iter(requests), timeout=TIMEOUT_S)
    return [response async for response in call]


async def test_whole_audio(caller: SpeechCaller) -> None:
    assert await recognised(caller, ONE_SECOND + speech(0.5)) == ["10 tenths", "5 tenths"]
    assert await recognised(caller, wav_file(ONE_SECOND, 16_000), sample_rate_hertz=44_100) == ["10 tenths"]


async def test_a_telephone(caller: SpeechCaller) -> None:
    audio = compress(speech(1, 8_000) + silence(0.5, 8_000), MU_LAW)
    fields = {"encoding": riva_audio_pb2.MULAW, "sample_rate_hertz": 8_000}
    (text,) = await recognised(caller, audio, **fields)
    assert text.endswith("tenths")


async def test_silence_says_nothing(caller: SpeechCaller) -> None:
    assert await recognised(caller, silence(3)) == []
    assert await streamed(caller, stream(in_pieces(silence(3)))) == []


async def test_empty_audio(caller: SpeechCaller) -> None:
    assert await refused(caller, b"") == (grpc.StatusCode.INVALID_ARGUMENT, "audio: is empty")
    assert await streamed(caller, stream([])) == []
    assert await streamed(caller, []) == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sample_rate_hertz": 1}, "config.sample_rate_hertz"),
        ({"encoding": 77}, "config.encoding"),
        ({"audio_channel_count": 9}, "config.audio_channel_count"),
        ({"language_code": "x; rm -rf /"}, "config.language_code"),
        ({"max_alternatives": -1}, "config.max_alternatives"),
        ({"diarization_config": {"enable_speaker_diarization": True}}, "config.diarization_config"),
    ],
)
async def test_a_bad_field_is_named(caller: SpeechCaller, fields: dict[str, Any], field: str) -> None:
    code, message = await refused(caller, ONE_SECOND, **fields)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith(field)


async def test_too_much_audio_for_one_message() -> None:
    async with speaking(speech_max_audio_s=2) as caller:
        code, message = await refused(caller, speech(3))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "longer than 2 s" in message
        responses = await streamed(caller, stream(in_pieces(speech(3))))
        assert responses[-1].results[0].alternatives[0].transcript == "30 tenths"


async def test_a_stream_tells_texts_while_it_goes_on(caller: SpeechCaller) -> None:
    responses = await streamed(caller, stream(in_pieces(ONE_SECOND), interim=True))
    results = [response.results[0] for response in responses]
    assert [result.is_final for result in results] == [False] * (len(results) - 1) + [True]
    assert len(results) > 2
    assert {response.id.value for response in responses} == {"r-1"}
    assert results[-1].audio_processed == pytest.approx(1, abs=0.05)


async def test_the_caller_chooses_the_pause(caller: SpeechCaller) -> None:
    audio = speech(1) + silence(0.6) + speech(1)
    one = stream(in_pieces(audio), endpointing_config=asr.EndpointingConfig(stop_history=1000))
    assert len(await streamed(caller, one)) == 1
    assert len(await streamed(caller, stream(in_pieces(audio)))) == 2


async def test_a_stream_that_never_sends_its_config(
    caller: SpeechCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await streamed(caller, [asr.StreamingRecognizeRequest(audio_content=b"abc")])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    monkeypatch.setattr("xapp.server.speech.shared.FIRST_S", 0.05)
    call = caller.recognition.StreamingRecognize(timeout=TIMEOUT_S)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert details_of(caught.value).info.reason == "SESSION_EXPIRED"


async def test_a_stream_that_stops_sending(caller: SpeechCaller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages.messages, "__defaults__", (0.05,))
    call = caller.recognition.StreamingRecognize(timeout=TIMEOUT_S)
    await call.write(stream([])[0])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.ABORTED


async def test_a_second_config(caller: SpeechCaller) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="only the first"):
        await streamed(caller, stream([]) * 2)


async def test_a_client_that_vanishes_gives_its_place_back() -> None:
    async with speaking(speech_max_streams=1) as caller:
        call = caller.recognition.StreamingRecognize(timeout=TIMEOUT_S)
        await call.write(stream([], interim=True)[0])
        await call.write(asr.StreamingRecognizeRequest(audio_content=speech(2)))
        await call.read()
        code, _ = await refused(caller, ONE_SECOND)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        call.cancel()
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                try:
                    assert await recognised(caller, ONE_SECOND) == ["10 tenths"]
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.01)
                else:
                    break


async def test_a_lost_engine() -> None:
    class Lost(FakeRecogniser):
        def listen(self, sample_rate: int, options: ListenOptions) -> Hearing:
            raise Unavailable("the whisper engine is being started", retry_after_s=1.0)

    async with speaking(FakeSpeech(recogniser=Lost())) as caller:
        code, message = await refused(caller, ONE_SECOND)
        assert (code, message) == (grpc.StatusCode.UNAVAILABLE, "the whisper engine is being started")


async def test_the_config_tells_the_engine(caller: SpeechCaller) -> None:
    request = asr.RivaSpeechRecognitionConfigRequest()
    response = await caller.recognition.GetRivaSpeechRecognitionConfig(request, timeout=TIMEOUT_S)
    (config,) = response.model_config
    assert config.model_name == "fake"
    assert config.parameters["language_code"] == "en"


async def test_audio_is_counted(caller: SpeechCaller) -> None:
    await recognised(caller, ONE_SECOND)
    assert caller.metrics.registry.get_sample_value("ricxapp_genai_speech_heard_seconds_total") == 1.5
