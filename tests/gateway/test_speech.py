"""POST /v1/audio/speech and /v1/audio/transcriptions, on fake engines."""

import asyncio
import io
import logging
import wave
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.gateway.gateways import Gateway, running
from tests.server.conftest import settings
from tests.server.speech.nodes import FakeSpeech
from tests.speech.sounds import silence, speech
from xapp.gateway import bodies
from xapp.speech.audio.wav import wav_file
from xapp.speech.fakes import SAMPLES_PER_CHAR

SPEECH, TRANSCRIPTIONS = "/v1/audio/speech", "/v1/audio/transcriptions"
FILE = wav_file(speech(1) + silence(0.5), 16_000)


@pytest.fixture
async def node() -> AsyncIterator[Gateway]:
    async with running(speech=FakeSpeech()) as gateway:
        yield gateway


async def spoken(node: Gateway, **fields: Any) -> tuple[int, str, bytes]:
    body = {"input": "Hello.", "model": "tts-1", "voice": "alloy"} | fields
    async with node.session.post(node.url(SPEECH), json=body) as response:
        return response.status, response.content_type, await response.read()


async def transcribed(node: Gateway, file: bytes = FILE, **fields: str) -> Any:
    form = aiohttp.FormData()
    form.add_field("file", file, filename="a.wav")
    for name, value in fields.items():
        form.add_field(name.replace("_list", "[]"), value)
    return await node.ask("POST", TRANSCRIPTIONS, data=form)


async def test_speech_is_a_wav_file_or_samples(node: Gateway) -> None:
    status, kind, body = await spoken(node)
    assert (status, kind) == (200, "audio/wav")
    with wave.open(io.BytesIO(body)) as file:
        assert (file.getframerate(), file.getnframes()) == (24_000, len("Hello.") * SAMPLES_PER_CHAR)
    status, kind, samples = await spoken(node, response_format="pcm")
    assert (status, kind) == (200, "audio/pcm")
    assert samples == body[44:]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"input": "<speak>hi</speak>"}, "input"),
        ({"response_format": "mp3"}, "response_format"),
        ({"speed": 2}, "speed"),
        ({"nothing": 1}, "nothing"),
    ],
)
async def test_what_speech_refuses(node: Gateway, fields: dict[str, Any], param: str) -> None:
    answer = await node.post(SPEECH, {"input": "Hello."} | fields)
    assert (answer.status, answer.error[2]) == (400, param)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", "10 tenths\n"),
        ("json", {"text": "10 tenths"}),
        ("vtt", "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.024\n10 tenths\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:01,024\n10 tenths\n"),
    ],
)
async def test_transcriptions(node: Gateway, form: str, expected: object) -> None:
    assert (await transcribed(node, response_format=form)).body == expected


async def test_a_detailed_transcription(node: Gateway) -> None:
    body = (await transcribed(node, response_format="verbose_json", language="en")).body
    assert (body["language"], body["segments"][0]["text"], body["task"]) == ("en", "10 tenths", "transcribe")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"file": b""}, "file"),
        ({"file": wav_file(speech(1), 1)}, "file: the sample rate of its header"),
        ({"language": "$(id)"}, "language"),
        ({"response_format": "xml"}, "response_format"),
        ({"temperature": "0.7"}, "temperature"),
    ],
)
async def test_what_transcriptions_refuse(node: Gateway, fields: dict[str, Any], param: str) -> None:
    answer = await transcribed(node, **fields)
    assert (answer.status, answer.error[2]) == (400, param)


async def test_a_file_that_is_too_large_and_a_body_that_is_no_form() -> None:
    async with running(configured=settings(max_message_bytes=10_000), speech=FakeSpeech()) as node:
        assert (await transcribed(node)).status == 413
        assert (await node.post(TRANSCRIPTIONS, {})).status == 415
        assert (
            await node.post(TRANSCRIPTIONS, b"x", **{"Content-Type": "multipart/form-data"})
        ).status == 400


def _part(head: bytes, content: bytes = b"x") -> bytes:
    return b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n--b--\r\n"


NAMED = b'Content-Disposition: form-data; name="file"'
ODD = {
    "no part": b"--b--\r\n",
    "no boundary": b"x" * 200_000,
    "a head without end": b"--b\r\n" + b"A: b\r\n" * 100_000,
    "a long line in a head": _part(NAMED + b"\r\nX: " + b"y" * 100_000),
    "a head that is none": _part(b"\xff\x00: :"),
    "a nested form": _part(NAMED + b"\r\nContent-Type: multipart/mixed; boundary=c"),
    "a part that does not end": b"--b\r\n" + NAMED + b"\r\n\r\n" + b"x" * 1000,
    "many parts": b"".join(
        b"--b\r\nContent-Disposition: form-data; name=n%d\r\n\r\n\r\n" % n for n in range(99)
    ),
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_odd_forms_are_the_callers_fault(
    node: Gateway, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    answer = await node.post(TRANSCRIPTIONS, body, **{"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.error[0] == 400
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_forms_that_arrive_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BYTES", 1000)
    arriving, held = b"--b\r\n" + b"x" * 900, asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield arriving
        await held.wait()

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with running(speech=FakeSpeech()) as node:
        calls = [
            asyncio.create_task(node.ask("POST", TRANSCRIPTIONS, data=half(), headers=headers))
            for _ in range(2)
        ]
        (refused,), _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        held.set()
        assert refused.result().status == 408
        await asyncio.gather(*calls)


async def test_a_node_without_engines(gateway: Gateway) -> None:
    assert (await gateway.post(SPEECH, {"input": "a"})).status == 404
    async with running(speech=FakeSpeech(recogniser=None, synthesisers=[])) as node:
        assert (await node.post(SPEECH, {"input": "a"})).status == 501
        assert (await transcribed(node)).status == 501
