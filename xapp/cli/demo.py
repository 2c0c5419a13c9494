"""`genai-xapp demo`: everything once on this machine: fetch, serve, ask, measure, stop."""

import asyncio
import os
from pathlib import Path

import click

from xapp.cli.count import Count
from xapp.cli.metrics import print_view
from xapp.cli.own_server import OwnServer, own_server
from xapp.cli.progress import TerminalProgress
from xapp.cli.say import say, shown
from xapp.cli.stream_watch import Watch
from xapp.client import Client, ClientError, user
from xapp.models.paths import models_dir
from xapp.models.pull import pull

DEFAULT_MODEL = "smollm2-135m-q4_1"
QUESTION = "In two sentences: what does a near-real-time RIC do in a mobile network?"


@click.command()
@click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="A model of the catalogue, or a GGUF file."
)
@click.option("--question", default=QUESTION, show_default=True, help="What to ask.")
@click.option(
    "--max-tokens",
    type=Count(),
    default=96,
    show_default=True,
    help="Most tokens of the answer.",
)
def demo(model: str, question: str, max_tokens: int) -> None:
    """Fetch the model if it is not here, serve it, stream a real answer, show the metrics, stop.

    Uses free ports of the loopback interface; nothing keeps running afterwards.
    """
    folder = models_dir(os.environ)
    step(f"model {model}")
    if not Path(model).expanduser().is_file():
        with TerminalProgress(model) as progress:
            pulled = pull(model, folder, progress=progress)
        say(f"  {pulled.model.path}" + (" (here already)" if pulled.was_there else " (fetched, checked)"))
    with own_server(model) as server:
        step(f"genai-xapp serve --model {model}, gRPC on {server.target}")
        try:
            asyncio.run(_talk(server, question, max_tokens))
        except ClientError as error:
            raise click.ClickException(f"{error}\nThe server's last words:\n{server.tail()}") from error
        step("SIGTERM")
        server.stop()
    say("  exit code 0")


async def _talk(server: OwnServer, question: str, max_tokens: int) -> None:
    async with Client(server.target) as client:
        await server.until_serving(client)
        say("  health: SERVING")
        step(f"Generate: {question}")
        watch = Watch()
        async for event in client.generate([user(question)], max_tokens=max_tokens):
            watch.follow(event)
            if event.HasField("chunk"):
                click.echo(shown(event.chunk.text), nl=False)
        say(f"\n  {watch.summary()}")
        step("Metrics: one sample")
        async for sample in client.metrics(count=1):
            print_view(sample)


def step(text: str) -> None:
    """Says what comes next."""
    click.secho(f"▸ {text}", bold=True)
