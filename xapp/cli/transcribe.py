"""`genai-xapp transcribe`: the text of a file of audio."""

import asyncio
from pathlib import Path
from typing import Any

import click

from xapp.cli.node import Node, node_options
from xapp.cli.options import json_line, json_option
from xapp.cli.say import say
from xapp.client.voice import SAMPLE_RATE, at_once

_ENCODINGS = {".flac": "FLAC", ".opus": "OGGOPUS", ".ogg": "OGGOPUS", ".ulaw": "MULAW", ".alaw": "ALAW"}
_TELEPHONE_RATE = 8_000


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@node_options
@click.option("--language", default="", help="The language that is spoken. Default: it is detected.")
@click.option("--words", is_flag=True, help="Show when each word is said.")
@click.option(
    "--rate", type=click.IntRange(8_000, 48_000), help="Samples a second, for a file that does not say it."
)
@json_option
def transcribe(
    file: Path, node: Node, *, language: str, words: bool, rate: int | None, as_json: bool
) -> None:
    """Print what is said in FILE: WAV, FLAC, Opus in Ogg, or bare mu-law and A-law (.ulaw, .alaw).

    One line an utterance. The file is sent as a stream, so it may be long.
    """
    from xapp.riva import riva_asr_pb2, riva_audio_pb2  # noqa: PLC0415  the stubs take time to import

    encoding = _ENCODINGS.get(file.suffix.lower(), "LINEAR_PCM")
    usual = _TELEPHONE_RATE if encoding in {"MULAW", "ALAW"} else SAMPLE_RATE
    config = riva_asr_pb2.RecognitionConfig(
        encoding=riva_audio_pb2.AudioEncoding.Value(encoding),
        sample_rate_hertz=rate or usual,
        language_code=language,
        enable_word_time_offsets=words,
    )
    asyncio.run(
        _transcribe(node, file.read_bytes(), riva_asr_pb2.StreamingRecognitionConfig(config=config), as_json)
    )


async def _transcribe(node: Node, audio: bytes, config: Any, as_json: bool) -> None:
    async with node.client() as client:
        async for result in client.voice.transcribe(at_once(audio), config):
            if as_json:
                say(json_line(result))
                continue
            best = result.alternatives[0]
            say(best.transcript)
            for word in best.words:
                say(f"  {word.start_time / 1000:8.2f} s  {word.word}")
