"""A real node with real engines of speech, asked by the stock Riva client and by this project's."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.caller import until, workers
from tests.live import LiveServer, serving
from tests.speech import needs
from xapp.client import Client, ClientError
from xapp.client.voice import SAMPLE_RATE, as_recorded, at_once
from xapp.riva import riva_asr_pb2, riva_audio_pb2
from xapp.speech.v1 import speech_pb2 as pb
from xapp.speech.v1 import speech_pb2_grpc

pytestmark = [pytest.mark.slow, needs.engines]

ENGINE = "xapp.speech.engine.process"
ENVIRON = {
    "XAPP_SPEECH_RECOGNITION": "whisper-tiny.en",
    "XAPP_SPEECH_SYNTHESIS": "hibari",
    "XAPP_DEADLINE_ADMISSION": "false",
}
WORDS = ("radio", "power", "antenna")
CALL_S = 60.0


@pytest.fixture(scope="module")
def node(default_model_path: Path) -> Iterator[LiveServer]:
    environ = {**ENVIRON, "XAPP_MODEL": str(default_model_path)}
    if not needs.espeak.args[0]:
        environ["XAPP_SPEECH_SYNTHESIS"] += ",espeak"
    environ["XAPP_SPEECH_TRANSLATION"] = "llm" if needs.apertium.args[0] else "apertium,llm"
    with serving(environ) as server:
        asyncio.run(until_speaking(server))
        yield server


async def until_speaking(server: LiveServer) -> None:
    async with Client(server.target) as client:

        async def ready() -> bool:
            voices = await client.voice.voices()
            return all(
                engine.ready for engine in (*voices.recognition, *voices.synthesis, *voices.translation)
            )

        await until(ready)


def by_riva(node: LiveServer, step: str) -> Any:
    command = [sys.executable, "-m", "tests.e2e.riva_script", node.target, step]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs.riva
def test_the_stock_client_speaks_and_hears_in_every_encoding(node: LiveServer) -> None:
    found = by_riva(node, "round_trips")
    assert set(found) == {"PCM", "WAV", "FLAC", "OGGOPUS", "MULAW", "ALAW"}
    for name, text in found.items():
        assert [word for word in WORDS if word not in text] == [], f"{name}: {text}"


@needs.riva
def test_the_stock_client_streams(node: LiveServer) -> None:
    found = by_riva(node, "streams")
    assert all(word in found["text"] for word in WORDS)
    times = [time for _, *span in found["words"] for time in span]
    assert times == sorted(times)
    assert times[-1] > 2000
    assert len(found["online"]) == 2


@needs.riva
def test_audio_that_is_none(node: LiveServer) -> None:
    found = by_riva(node, "bad")
    assert found["silence"] == found["noise"] == ""
    assert "radio" in found["truncated"]
    assert found["no flac"].startswith("INVALID_ARGUMENT")
    assert found["empty"] == "INVALID_ARGUMENT: audio: is empty"
    assert found["hours"] == "INVALID_ARGUMENT: audio: is longer than 600 s: send it as a stream"
    assert "antenna" in found["afterwards"]


@needs.riva
@needs.apertium
def test_translations(node: LiveServer, tmp_path: Path) -> None:
    found = by_riva(node, "translations")
    assert re.search(r"casa.*O-RAN|O-RAN.*casa", found["apertium"])
    assert "pwned" in found["nasty"]
    assert not Path("pwned").exists()
    assert found["llm"]
    assert found["pair"].startswith("INVALID_ARGUMENT: target_language: nobody here translates")
    assert found["engines"] == ["apertium", "llm"]


@needs.riva
@needs.espeak
def test_other_languages(node: LiveServer) -> None:
    found = by_riva(node, "languages")
    assert min(found.values()) > 8_000
    assert not Path("pwned").exists()


# ---- conversations


async def spoken(client: Client, text: str) -> bytes:
    return b"".join([piece async for piece in client.voice.speak(text, deadline_s=CALL_S)])


CONFIG = pb.ConverseConfig(language="en-US")


@contextlib.asynccontextmanager
async def calling(node: LiveServer) -> AsyncGenerator[tuple[Client, Any], None]:
    async with Client(node.target) as client, grpc.aio.insecure_channel(node.target) as channel:
        yield client, speech_pb2_grpc.VoiceServiceStub(channel)


async def until_kind(call: Any, kind: str) -> pb.ConverseResponse:
    while not (response := await call.read()).HasField(kind):
        pass
    assert isinstance(response, pb.ConverseResponse)
    return response


async def say(call: Any, samples: bytes) -> None:
    async for piece in as_recorded(samples):
        await call.write(pb.ConverseRequest(audio=piece))


async def test_a_conversation_with_a_barge_in(node: LiveServer) -> None:
    async with calling(node) as (client, stub):
        question = await spoken(client, "What does a radio network do?")
        call = stub.Converse(timeout=CALL_S)
        await call.write(pb.ConverseRequest(config=CONFIG))
        await call.write(pb.ConverseRequest(audio=question + bytes(2 * SAMPLE_RATE)))
        utterance = (await until_kind(call, "utterance")).utterance
        assert "radio" in utterance.text.lower()
        await until_kind(call, "sentence")
        talking = asyncio.create_task(say(call, question))
        assert (await until_kind(call, "speech_started")).speech_started.ends_turn == 1
        await talking
        await call.write(pb.ConverseRequest(audio=bytes(2 * SAMPLE_RATE)))
        await call.done_writing()
        finished = (await until_kind(call, "turn_finished")).turn_finished
        while finished.turn != 2:
            finished = (await until_kind(call, "turn_finished")).turn_finished
        assert finished.end == pb.TURN_END_COMPLETE
        assert finished.times.HasField("first_audio")
        assert finished.generated.usage.num_completion_tokens > 0


# ---- faults


async def heard(client: Client, samples: bytes) -> str:
    config = riva_asr_pb2.RecognitionConfig(
        encoding=riva_audio_pb2.LINEAR_PCM, sample_rate_hertz=SAMPLE_RATE, language_code="en-US"
    )
    streaming = riva_asr_pb2.StreamingRecognitionConfig(config=config)
    results = client.voice.transcribe(at_once(samples + bytes(2 * SAMPLE_RATE)), streaming, deadline_s=CALL_S)
    return " ".join([result.alternatives[0].transcript async for result in results])


async def heard_for_ever(client: Client, samples: bytes) -> None:
    while True:
        await heard(client, samples)


async def test_an_engine_that_dies_comes_back_and_the_model_serves_on(node: LiveServer) -> None:
    async with Client(node.target) as client:
        samples = await spoken(client, "Please check the antenna.")
        assert "antenna" in await heard(client, samples)
        (pid,) = [pid for name, pid in workers(node, ENGINE).items() if name == "whisper"]
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ClientError) as caught:
            await heard_for_ever(client, samples)
        assert caught.value.code == "UNAVAILABLE"
        assert [text async for text in client.stream_text("Hello", max_tokens=2)]
        await until_speaking(node)
        assert "antenna" in await heard(client, samples)


async def test_many_callers_at_once_are_bounded(node: LiveServer) -> None:
    async with Client(node.target) as client:
        samples = await spoken(client, "Please check the antenna.")
        texts = await asyncio.gather(*(heard(client, samples) for _ in range(12)), return_exceptions=True)
    good = [text for text in texts if isinstance(text, str)]
    refused = [error for error in texts if isinstance(error, ClientError)]
    assert len(good) >= 8
    assert {error.code for error in refused} <= {"RESOURCE_EXHAUSTED"}
    assert all("antenna" in text for text in good)
