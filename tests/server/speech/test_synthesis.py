"""RivaSpeechSynthesis over the wire, on a fake engine."""

from typing import Any

import grpc
import pytest

from tests.server.rich import details_of
from tests.server.speech.nodes import TIMEOUT_S, FakeSpeech, SpeechCaller, speaking
from xapp.riva import riva_audio_pb2
from xapp.riva import riva_tts_pb2 as tts
from xapp.speech.fakes import SAMPLES_PER_CHAR, FakeSynthesiser

TEXT = "One two. Three four."


def request(text: str = TEXT, **fields: Any) -> tts.SynthesizeSpeechRequest:
    return tts.SynthesizeSpeechRequest(text=text, language_code="en-US", sample_rate_hz=16_000, **fields)


async def refused(caller: SpeechCaller, wanted: tts.SynthesizeSpeechRequest) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.synthesis.Synthesize(wanted, timeout=TIMEOUT_S)
    return caught.value


async def online(caller: SpeechCaller, *requests: tts.SynthesizeSpeechRequest) -> list[bytes]:
    call = caller.synthesis.SynthesizeOnline(iter(requests), timeout=TIMEOUT_S)
    return [response.audio async for response in call]


def said(caller: SpeechCaller) -> list[str]:
    (engine,) = caller.speech.synthesisers
    assert isinstance(engine, FakeSynthesiser)
    return engine.said


async def test_the_whole_audio(caller: SpeechCaller) -> None:
    response = await caller.synthesis.Synthesize(request(), timeout=TIMEOUT_S)
    assert len(response.audio) == 2 * (len("One two.") + len("Three four.")) * SAMPLES_PER_CHAR
    assert response.meta.text == TEXT


async def test_a_byte_a_sample_for_a_telephone(caller: SpeechCaller) -> None:
    response = await caller.synthesis.Synthesize(request(encoding=riva_audio_pb2.MULAW), timeout=TIMEOUT_S)
    assert len(response.audio) == (len("One two.") + len("Three four.")) * SAMPLES_PER_CHAR


async def test_sentence_by_sentence(caller: SpeechCaller) -> None:
    assert len(await online(caller, request())) == 2
    assert len(await online(caller, request(), request("Five"), request("six."))) == 4
    assert said(caller)[-2:] == ["Five", "six."]


async def test_an_older_client_sends_a_single_request(caller: SpeechCaller) -> None:
    channel: Any = caller.channel
    method = channel.unary_stream(
        "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline",
        request_serializer=tts.SynthesizeSpeechRequest.SerializeToString,
        response_deserializer=tts.SynthesizeSpeechResponse.FromString,
    )
    assert len([response async for response in method(request(), timeout=TIMEOUT_S)]) == 2


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (request(""), "text: is empty"),
        (request(" \n"), "text: is empty"),
        (request("x" * 1_000_000), "text: has 1,000,000 characters, at most 20,000 are taken"),
        (request("<speak>hello<audio src='file:///etc/passwd'/></speak>"), "text: SSML is not read here"),
        (request(voice_name="$(reboot)"), "voice_name: there is no voice"),
        (request(encoding=99), "encoding: 99 is no encoding"),
        (request(zero_shot_data=tts.ZeroShotData(audio_prompt=b"x")), "zero_shot_data"),
    ],
)
async def test_bad_requests(caller: SpeechCaller, wanted: tts.SynthesizeSpeechRequest, why: str) -> None:
    error = await refused(caller, wanted)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.details() or "").startswith(why)


async def test_a_rate_and_a_language_that_nobody_has(caller: SpeechCaller) -> None:
    error = await refused(caller, tts.SynthesizeSpeechRequest(text="a", sample_rate_hz=1))
    assert (error.details() or "").startswith("sample_rate_hz")
    error = await refused(caller, tts.SynthesizeSpeechRequest(text="a", language_code="xx-XX"))
    assert details_of(error).info.reason == "UNKNOWN_LANGUAGE"


async def test_an_answer_that_does_not_fit_in_a_message() -> None:
    async with speaking(max_message_bytes=200_000) as caller:
        error = await refused(caller, request("word " * 300))
        assert "SynthesizeOnline" in (error.details() or "")
        assert sum(map(len, await online(caller, request("word " * 300)))) > 200_000


async def test_control_characters_are_not_spoken(caller: SpeechCaller) -> None:
    await online(caller, request("a\x00b\x1b[2J c"))
    assert said(caller) == ["a b 2J c"] or "\x1b" not in "".join(said(caller))


async def test_the_config_has_the_voices(caller: SpeechCaller) -> None:
    response = await caller.synthesis.GetRivaSynthesisConfig(
        tts.RivaSynthesisConfigRequest(), timeout=TIMEOUT_S
    )
    assert response.model_config[0].parameters["subvoices"] == "one,two"


async def test_a_node_without_an_engine_that_speaks() -> None:
    async with speaking(FakeSpeech(synthesisers=[])) as caller:
        assert (await refused(caller, request())).code() is grpc.StatusCode.UNIMPLEMENTED
