"""`genai-xapp speak`: a text as a WAV file."""

import asyncio
from pathlib import Path

import click

from xapp.cli.node import Node, node_options
from xapp.cli.options import read_prompt
from xapp.cli.say import say
from xapp.client.voice import SAMPLE_RATE
from xapp.speech.audio.wav import wav_file


@click.command()
@click.argument("text", required=False)
@node_options
@click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The WAV file to write.",
)
@click.option("--language", default="en-US", show_default=True, help="The language of the text.")
@click.option("--voice", default="", help="A voice of the node. Default: the usual voice of the language.")
@click.option(
    "--rate",
    type=click.IntRange(8_000, 48_000),
    default=SAMPLE_RATE,
    show_default=True,
    help="Samples a second.",
)
def speak(text: str | None, node: Node, *, out: Path, language: str, voice: str, rate: int) -> None:
    """Speak TEXT into a WAV file (- or nothing: standard input).

    \b
      genai-xapp speak "The cell is back in service." -o back.wav
      genai-xapp speak --language es "La celda está en servicio." -o servicio.wav
    """  # noqa: D301  click reads \b as a backspace
    samples = asyncio.run(_speak(node, read_prompt(text), language, voice, rate))
    out.write_bytes(wav_file(samples, rate))
    say(f"{out}: {len(samples) / 2 / rate:.1f} s")


async def _speak(node: Node, text: str, language: str, voice: str, rate: int) -> bytes:
    async with node.client() as client:
        pieces = client.voice.speak(text, language=language, voice=voice, sample_rate=rate)
        return b"".join([piece async for piece in pieces])
