"""The parts of the measurement. Each yields keys and values of one round."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from itertools import pairwise

from perf.round_loop import NotMeasured
from perf.server_processes import OurServer
from perf.speech.spoken_texts import QUESTIONS, SENTENCES
from perf.speech.word_errors import num_errors, words
from xapp.client import Client
from xapp.client.voice import SAMPLE_RATE, as_recorded
from xapp.riva import riva_asr_pb2, riva_audio_pb2
from xapp.speech.v1 import speech_pb2 as pb

SETTINGS = {"XAPP_SPEECH_RECOGNITION": "whisper-tiny.en", "XAPP_SPEECH_SYNTHESIS": "hibari"}
_READY_POLL_S = 0.2
_CALL_S = 120.0
_SILENCE = bytes(2 * SAMPLE_RATE)

Values = Iterator[tuple[str, float]]


def round_trip(server: OurServer) -> Values:
    """Fifty sentences, spoken and recognised by the stock Riva client."""
    command = [sys.executable, "-m", "perf.speech.riva_caller", server.target]
    done = subprocess.run(
        command, input="\n".join(SENTENCES), capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise NotMeasured(f"the Riva client failed: {done.stderr.strip().splitlines()[-1]}")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    errors = sum(num_errors(said, each["text"]) for said, each in zip(SENTENCES, found, strict=True))
    audio_s = sum(each["audio_s"] for each in found)
    yield "errors", errors / sum(len(words(said)) for said in SENTENCES)
    yield "recognition.rtf", sum(each["recognition_s"] for each in found) / audio_s
    yield "synthesis.rtf", sum(each["synthesis_s"] for each in found) / audio_s


def interim(server: OurServer) -> Values:
    """The longest time between two texts while somebody speaks, and how late the last text is."""
    gaps, late_s = asyncio.run(_interim(server.target))
    yield "interim.gap", max(gaps)
    yield "final.late", late_s


async def _interim(target: str) -> tuple[list[float], float]:
    async with Client(target) as client:
        samples = await spoken(client, " ".join(SENTENCES[:4]).replace(".", ",") + ".")
        config = riva_asr_pb2.RecognitionConfig(
            encoding=riva_audio_pb2.LINEAR_PCM, sample_rate_hertz=SAMPLE_RATE, language_code="en-US"
        )
        streaming = riva_asr_pb2.StreamingRecognitionConfig(config=config, interim_results=True)
        audio = as_recorded(samples + _SILENCE)
        begin = time.monotonic()
        points = [begin]
        async for result in client.voice.transcribe(audio, streaming, deadline_s=_CALL_S):
            points.append(time.monotonic())
            last_s = result.audio_processed
    gaps = [after - before for before, after in pairwise(points)]
    return gaps, points[-1] - begin - last_s


def converse(server: OurServer) -> Values:
    """Questions one after the other: the time to the first audio of each answer, and its parts."""
    for number, times in enumerate(asyncio.run(_converse(server.target))):
        for name in ("first_audio", "endpoint", "recognition", "generation", "synthesis"):
            yield f"{name}.{number}", getattr(times, name).ToNanoseconds() / 1e9


async def _converse(target: str) -> list[pb.TurnTimes]:
    async with Client(target) as client:
        questions = [await spoken(client, question) for question in QUESTIONS]
        return [await _times(client, question) for question in questions]


async def _times(client: Client, question: bytes) -> pb.TurnTimes:
    done = asyncio.Event()

    async def microphone() -> AsyncGenerator[bytes, None]:
        async for piece in as_recorded(question + _SILENCE):
            yield piece
        await done.wait()

    config = pb.ConverseConfig(language="en-US")
    async for response in client.voice.converse(config, microphone(), deadline_s=_CALL_S):
        if response.HasField("turn_finished"):
            finished = response.turn_finished
            done.set()
    if not finished.times.HasField("first_audio"):
        raise NotMeasured(f"no answer was spoken: {finished.error}")
    return finished.times


async def spoken(client: Client, text: str) -> bytes:
    """The audio of a text."""
    return b"".join([piece async for piece in client.voice.speak(text, deadline_s=_CALL_S)])


async def until_speaking(target: str) -> None:
    """Waits for the engines."""
    async with Client(target) as client, asyncio.timeout(_CALL_S):
        while True:
            voices = await client.voice.voices()
            if all(engine.ready for engine in (*voices.recognition, *voices.synthesis)):
                return
            await asyncio.sleep(_READY_POLL_S)


PARTS = {"roundtrip": round_trip, "interim": interim, "converse": converse}
