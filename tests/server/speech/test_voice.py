"""VoiceService over the wire, on fakes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.server.fake_service import FakeService
from tests.server.speech.nodes import TIMEOUT_S, FakeSpeech, SpeechCaller, speaking
from tests.speech.sounds import in_pieces, silence, speech
from xapp.inference.v1 import inference_pb2
from xapp.security.tokens import hash_of
from xapp.server.speech.voice_convert import response
from xapp.speech.conversation.events import SpeechBegan
from xapp.speech.fakes import FakeRecogniser
from xapp.speech.v1 import speech_pb2 as pb

CONFIG = pb.ConverseConfig(language="en-US")
UNKNOWN = pb.AudioFormat.FromString(b"\x08\x63")
"""Encoding 99."""
QUESTION = speech(1) + silence(0.5)


def messages(config: pb.ConverseConfig = CONFIG, audio: bytes = QUESTION) -> list[pb.ConverseRequest]:
    return [
        pb.ConverseRequest(config=config),
        *(pb.ConverseRequest(audio=piece) for piece in in_pieces(audio)),
    ]


async def conversed(
    caller: SpeechCaller, requests: list[pb.ConverseRequest], **options: Any
) -> list[pb.ConverseResponse]:
    call = caller.voice.Converse(iter(requests), timeout=TIMEOUT_S, **options)
    return [response async for response in call]


async def refused(
    caller: SpeechCaller, requests: list[pb.ConverseRequest], **options: Any
) -> tuple[grpc.StatusCode, str]:
    """The status of a call that writes the requests, and nothing while its status arrives: grpc.aio's client
    replaces the status by INTERNAL where a write meets the end of the call.
    """

    async def written() -> AsyncIterator[pb.ConverseRequest]:
        for request in requests:
            yield request
        await asyncio.Event().wait()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in caller.voice.Converse(written(), timeout=TIMEOUT_S, **options):
            pass
    return caught.value.code(), caught.value.details() or ""


def test_times_just_below_a_second_are_durations() -> None:
    assert response(SpeechBegan(0.9999999999, 0)).speech_started.at.seconds == 1


async def test_a_conversation(caller: SpeechCaller) -> None:
    responses = await conversed(caller, messages())
    assert [each.WhichOneof("message") for each in responses] == [
        *("started", "speech_started", "utterance", "sentence", "turn_finished")
    ]
    started, _, utterance, sentence, finished = responses
    assert (started.started.recognition_engine, started.started.voice) == ("fake", "one")
    assert (utterance.utterance.turn, utterance.utterance.text) == (1, "10 tenths")
    assert sentence.sentence.text == "Hello"
    assert finished.turn_finished.end == pb.TURN_END_COMPLETE
    assert finished.turn_finished.generated.usage.num_completion_tokens == 2


async def test_the_parts_of_the_time_add_up(caller: SpeechCaller) -> None:
    times = (await conversed(caller, messages()))[-1].turn_finished.times
    parts = (times.endpoint, times.recognition, times.generation, times.synthesis)
    total_s = sum(part.ToNanoseconds() for part in parts) / 1e9
    assert total_s == pytest.approx(times.first_audio.ToNanoseconds() / 1e9, abs=1e-6)
    assert times.first_audio.ToNanoseconds() > 0
    name = "ricxapp_genai_speech_first_audio_seconds_count"
    assert caller.metrics.registry.get_sample_value(name) == 1


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (pb.ConverseConfig(input=pb.AudioFormat(sample_rate=1)), "config.input.sample_rate"),
        (pb.ConverseConfig(input=UNKNOWN), "config.input.encoding"),
        (pb.ConverseConfig(output=pb.AudioFormat(encoding=pb.AUDIO_ENCODING_FLAC)), "config.output.encoding"),
        (pb.ConverseConfig(end_silence=Duration(seconds=9)), "config.end_silence"),
        (pb.ConverseConfig(turn_deadline=Duration(seconds=-1)), "config.turn_deadline"),
        (pb.ConverseConfig(language="../../x"), "config.language"),
        (pb.ConverseConfig(voice="nobody"), "voice_name"),
        (pb.ConverseConfig(utterance_input="x"), "config.utterance_input"),
        (
            pb.ConverseConfig(generate=inference_pb2.GenerateRequest(prompt="x")),
            "config.generate.prompt",
        ),
    ],
)
async def test_a_bad_field_is_named(caller: SpeechCaller, config: pb.ConverseConfig, field: str) -> None:
    code, message = await refused(caller, messages(config, b""))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith(field)


async def test_the_first_message_is_the_config_and_no_other(caller: SpeechCaller) -> None:
    _, message = await refused(caller, messages()[1:2])
    assert "first message" in message
    _, message = await refused(caller, [*messages(audio=b""), *messages(audio=b"")])
    assert "only the first" in message


async def test_a_node_without_recognition() -> None:
    async with speaking(FakeSpeech(recogniser=None)) as caller:
        code, message = await refused(caller, messages(audio=b""))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "[speech]" in message


async def test_the_voices(caller: SpeechCaller) -> None:
    response = await caller.voice.GetVoices(pb.GetVoicesRequest(), timeout=TIMEOUT_S)
    assert list(response.synthesis[0].voices) == ["one", "two"]
    assert list(response.translation[0].languages) == ["en-es"]
    assert response.recognition[0].ready


async def test_health_follows_the_engines() -> None:
    service, recogniser = FakeService(), FakeRecogniser()
    speech_of_node = FakeSpeech(recogniser=recogniser)
    async with speaking(speech_of_node, service) as caller:
        health: Any = health_pb2_grpc.HealthStub(caller.channel)
        names = ("nvidia.riva.asr.RivaSpeechRecognition", "xapp.speech.v1.VoiceService")
        calls = [health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in names]
        serving, lost = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        assert [(await call.read()).status for call in calls] == [serving, serving]
        recogniser.ready = False
        speech_of_node.changes.notify()
        assert [(await call.read()).status for call in calls] == [lost, lost]


async def test_a_policy_holds_for_conversations(tmp_path: Path) -> None:
    tokens, policy = tmp_path / "tokens.toml", tmp_path / "policy.toml"
    tokens.write_text(f'alice = ["{hash_of("a" * 32)}"]\nbob = ["{hash_of("b" * 32)}"]\n')
    policy.write_text('[alice]\nmethods = ["Converse"]\nmodels = ["other"]\n[bob]\nmethods = ["Recognize"]\n')
    async with speaking(tokens_file=str(tokens), policy_file=str(policy)) as caller:
        for letter, why in (("a", "may not use the model"), ("b", "may not use the method"), ("c", "bearer")):
            metadata = (("authorization", f"Bearer {letter * 32}"),)
            _, message = await refused(caller, messages(audio=b""), metadata=metadata)
            assert why in message
