"""`genai-xapp demo-voice`: one spoken question and its spoken answer, from a WAV file to a WAV file."""

import asyncio
import wave
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xapp.cli.demo import DEFAULT_MODEL, step
from xapp.cli.own_server import START_S, OwnServer, own_server
from xapp.cli.say import say
from xapp.client import Client, ClientError
from xapp.client.voice import SAMPLE_RATE, as_recorded
from xapp.speech.audio.wav import wav_file

if TYPE_CHECKING:
    from xapp.speech.v1 import speech_pb2 as pb

QUESTION = "What does a radio network do?"
ENGINES = {"XAPP_SPEECH_RECOGNITION": "whisper-tiny.en", "XAPP_SPEECH_SYNTHESIS": "hibari"}
_SILENCE_S = 1.5
_READY_POLL_S = 0.2


@click.command()
@click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="The language model: a name, or a GGUF file."
)
@click.option(
    "--question", default=QUESTION, show_default=True, help="What to ask. The demo speaks it itself."
)
@click.option(
    "--wav",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A WAV file with a spoken question instead: 16-bit, one channel.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("answer.wav"),
    show_default=True,
    help="Where the answer goes.",
)
def demo_voice(model: str, question: str, wav: Path | None, out: Path) -> None:
    """Ask a node of its own by voice, and write the spoken answer.

    No sound card is needed: the question comes from a WAV file, at the speed of a microphone, and the answer
    goes to a WAV file. It needs the speech extra.
    """
    with own_server(model, ENGINES) as server:
        step(f"genai-xapp serve with {', '.join(ENGINES.values())}, gRPC on {server.target}")
        try:
            audio = asyncio.run(_talk(server, question, wav))
        except ClientError as error:
            raise click.ClickException(f"{error}\nThe server's last words:\n{server.tail()}") from error
        server.stop()
    out.write_bytes(wav_file(audio, SAMPLE_RATE))
    say(f"  {out}: {len(audio) / 2 / SAMPLE_RATE:.1f} s of speech")


async def _talk(server: OwnServer, question: str, wav: Path | None) -> bytes:
    async with Client(server.target) as client:
        await server.until_serving(client)
        await until_speaking(client)
        samples, rate = _read(wav) if wav else (await _spoken(client, question), SAMPLE_RATE)
        step(f"Converse: {len(samples) / 2 / rate:.1f} s of speech{f' from {wav}' if wav else ''}")
        answer = Answer()
        await converse(client, samples, rate, answer)
        return bytes(answer.audio)


async def until_speaking(client: Client) -> None:
    """Waits for the engines of speech. Raises ClientError when they do not come."""
    async with asyncio.timeout(START_S):
        while True:
            voices = await client.voice.voices()
            if all(engine.ready for engine in (*voices.recognition, *voices.synthesis)):
                return
            await asyncio.sleep(_READY_POLL_S)


async def _spoken(client: Client, text: str) -> bytes:
    step(f"SynthesizeOnline: {text}")
    return b"".join([piece async for piece in client.voice.speak(text)])


def _read(path: Path) -> tuple[bytes, int]:
    with wave.open(str(path)) as file:
        if file.getsampwidth() != 2 or file.getnchannels() != 1:
            raise click.ClickException(f"{path}: 16-bit samples of one channel are wanted")
        return file.readframes(file.getnframes()), file.getframerate()


@dataclass(slots=True)
class Answer:
    """The audio of all sentences so far, and the times of the turn."""

    audio: bytearray = field(default_factory=bytearray)
    finished: "pb.TurnFinished | None" = None

    def follow(self, response: "pb.ConverseResponse") -> None:
        """Prints what happens."""
        if response.HasField("utterance") and response.utterance.is_final:
            say(f"  heard: {response.utterance.text}")
        elif response.HasField("sentence"):
            say(f"  said:  {response.sentence.text}")
            self.audio += response.sentence.audio
        elif response.HasField("turn_finished"):
            self.finished = response.turn_finished
            say(f"  {_words(self.finished)}")


async def converse(client: Client, samples: bytes, rate: int, answer: Answer) -> None:
    """One question, at the speed of a microphone, until the answer is over."""
    from xapp.speech.v1 import speech_pb2  # noqa: PLC0415  the stubs take time to import

    config = speech_pb2.ConverseConfig(
        input=speech_pb2.AudioFormat(sample_rate=rate),
        output=speech_pb2.AudioFormat(sample_rate=SAMPLE_RATE),
        language="en-US",
    )
    done = asyncio.Event()
    async for response in client.voice.converse(config, _microphone(samples, rate, done)):
        answer.follow(response)
        if response.HasField("turn_finished"):
            done.set()


async def _microphone(samples: bytes, rate: int, done: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """The question, then silence until the answer is over."""
    silence = bytes(2 * int(rate * _SILENCE_S))
    async for piece in as_recorded(samples + silence, rate):
        yield piece
    await done.wait()


def _words(finished: "pb.TurnFinished") -> str:
    times = finished.times
    if not times.HasField("first_audio"):
        return f"no answer: {finished.error}"
    parts = [
        f"{name} {getattr(times, name).ToMilliseconds()} ms"
        for name in ("endpoint", "recognition", "generation", "synthesis")
    ]
    return f"end of speech to first audio: {times.first_audio.ToMilliseconds()} ms ({', '.join(parts)})"
