"""RivaTranslation over the wire, on a fake engine."""

from typing import Any

import grpc
import pytest

from tests.server.rich import details_of
from tests.server.speech.nodes import TIMEOUT_S, SpeechCaller
from tests.speech.sounds import in_pieces, silence, speech
from xapp.riva import riva_asr_pb2 as asr
from xapp.riva import riva_nmt_pb2 as nmt
from xapp.server.speech.translation import ENGINE_HEADER

CONFIG = nmt.TranslationConfig(source_language_code="en-US", target_language_code="es-US")
ASR = asr.StreamingRecognitionConfig(config=asr.RecognitionConfig(sample_rate_hertz=16_000))


def request(*texts: str, **fields: Any) -> nmt.TranslateTextRequest:
    languages = {"source_language": "en", "target_language": "es"} | fields
    return nmt.TranslateTextRequest(texts=texts, **languages)


async def test_texts_are_translated_and_the_engine_is_told(caller: SpeechCaller) -> None:
    call = caller.translation.TranslateText(request("hello", "", "the RIC", dnt_phrases=["RIC##ric"]))
    response = await call
    assert [each.text for each in response.translations] == ["HELLO", "", "THE ric"]
    assert dict(await call.initial_metadata())[ENGINE_HEADER] == "fake"


@pytest.mark.parametrize(
    ("wanted", "code", "reason"),
    [
        (request("a", target_language="xx"), grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_PAIR"),
        (request("a", source_language="$(id)"), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
        (request(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
        (request("a" * 20_001), grpc.StatusCode.INVALID_ARGUMENT, "TEXT_TOO_LONG"),
        (request("a", model="nobody"), grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND"),
    ],
)
async def test_refused(
    caller: SpeechCaller, wanted: nmt.TranslateTextRequest, code: grpc.StatusCode, reason: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.translation.TranslateText(wanted, timeout=TIMEOUT_S)
    assert (caught.value.code(), details_of(caught.value).info.reason) == (code, reason)


async def test_the_pairs(caller: SpeechCaller) -> None:
    response = await caller.translation.ListSupportedLanguagePairs(nmt.AvailableLanguageRequest())
    assert list(response.languages["fake"].src_lang) == ["en"]
    assert list(response.languages["fake"].tgt_lang) == ["es"]


async def test_speech_to_text(caller: SpeechCaller) -> None:
    first = nmt.StreamingTranslateSpeechToTextConfig(asr_config=ASR, translation_config=CONFIG)
    audio = [
        nmt.StreamingTranslateSpeechToTextRequest(audio_content=piece)
        for piece in in_pieces(speech(1) + silence(0.5))
    ]
    messages = iter([nmt.StreamingTranslateSpeechToTextRequest(config=first), *audio])
    call = caller.translation.StreamingTranslateSpeechToText(messages, timeout=TIMEOUT_S)
    texts = [response.results[0].alternatives[0].transcript async for response in call]
    assert texts == ["10 TENTHS"]


async def test_speech_to_speech(caller: SpeechCaller) -> None:
    config = nmt.StreamingTranslateSpeechToSpeechConfig(
        asr_config=ASR,
        translation_config=CONFIG,
        tts_config=nmt.SynthesizeSpeechConfig(language_code="en-US", sample_rate_hz=16_000),
    )
    audio = [
        nmt.StreamingTranslateSpeechToSpeechRequest(audio_content=piece)
        for piece in in_pieces(speech(1) + silence(0.5))
    ]
    messages = iter([nmt.StreamingTranslateSpeechToSpeechRequest(config=config), *audio])
    call = caller.translation.StreamingTranslateSpeechToSpeech(messages, timeout=TIMEOUT_S)
    assert sum([len(response.speech.audio) async for response in call]) > 0
