"""`genai-xapp demo`: everything once, on this machine: fetch, serve, ask, measure, stop."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from xapp.cli.generate import Watch
from xapp.cli.metrics import print_view
from xapp.cli.models_view import TerminalProgress
from xapp.cli.say import say, shown
from xapp.client import Client, ClientError, user
from xapp.models.paths import models_dir
from xapp.models.pull import pull

DEFAULT_MODEL = "smollm2-135m-q4_1"
QUESTION = "In two sentences: what does a near-real-time RIC do in a mobile network?"
_START_S = 120.0
_STOP_S = 30.0
_LOG_LINES = 20


@click.command()
@click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="A model of the catalogue, or a GGUF file."
)
@click.option("--question", default=QUESTION, show_default=True, help="What to ask.")
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=96,
    show_default=True,
    help="Most tokens of the answer.",
)
def demo(model: str, question: str, max_tokens: int) -> None:
    """Fetch the model if it is not here, serve it, stream a real answer, show the metrics, stop.

    Uses free ports of the loopback interface; nothing keeps running afterwards.
    """
    folder = models_dir(os.environ)
    _step(f"model {model}")
    if not Path(model).expanduser().is_file():
        with TerminalProgress(model) as progress:
            pulled = pull(model, folder, progress=progress)
        say(f"  {pulled.model.path}" + (" (here already)" if pulled.was_there else " (fetched, checked)"))
    grpc_port, http_port = _free_ports(2)
    _step(f"genai-xapp serve --model {model}, gRPC on 127.0.0.1:{grpc_port}")
    with _server(model, grpc_port, http_port) as (process, log):
        try:
            asyncio.run(_talk(f"127.0.0.1:{grpc_port}", process, question, max_tokens))
        except ClientError as error:
            raise click.ClickException(f"{error}\nThe server's last words:\n{_tail(log)}") from error
        _step("SIGTERM")
        _stop(process, log)
    say("  exit code 0")


async def _talk(target: str, process: "subprocess.Popen[bytes]", question: str, max_tokens: int) -> None:
    async with Client(target) as client:
        await _until_serving(client, process)
        say("  health: SERVING")
        _step(f"Generate: {question}")
        watch = Watch()
        async for event in client.generate([user(question)], max_tokens=max_tokens):
            watch.follow(event)
            if event.HasField("chunk"):
                click.echo(shown(event.chunk.text), nl=False)
        say(f"\n  {watch.summary()}")
        _step("Metrics: one sample")
        async for sample in client.metrics(count=1):
            print_view(sample)


async def _until_serving(client: Client, process: "subprocess.Popen[bytes]") -> None:
    """Raises ClientError when the server ends, or takes too long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _START_S
    while True:
        try:
            await client.wait_until_serving(0.5)
        except ClientError:
            if process.poll() is not None:
                raise ClientError(
                    "UNAVAILABLE", f"the server ended with exit code {process.returncode}"
                ) from None
            if loop.time() > until:
                raise
        else:
            return


@contextmanager
def _server(
    model: str, grpc_port: int, http_port: int
) -> Iterator[tuple["subprocess.Popen[bytes]", IO[bytes]]]:
    environ = os.environ | {
        "XAPP_MODEL": model,
        "XAPP_HOST": "127.0.0.1",
        "XAPP_GRPC_PORT": str(grpc_port),
        "XAPP_HTTP_PORT": str(http_port),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "xapp.cli", "serve"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for this process, which then ends the server.
            start_new_session=True,
        )
        try:
            yield process, log
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _stop(process: "subprocess.Popen[bytes]", log: IO[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(_STOP_S)
    except subprocess.TimeoutExpired as error:
        raise click.ClickException(f"the server did not end within {_STOP_S:g} s:\n{_tail(log)}") from error
    if code != 0:
        raise click.ClickException(f"the server ended with exit code {code}:\n{_tail(log)}")


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return "\n".join(log.read().decode(errors="replace").splitlines()[-_LOG_LINES:])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()


def _step(text: str) -> None:
    click.secho(f"▸ {text}", bold=True)
