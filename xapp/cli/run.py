"""`genai-xapp run`: one command from a model's name to its first answer."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from xapp.cli.chat.command import Talk, talk_options
from xapp.cli.node import Node, node_options
from xapp.cli.own_server import OwnServer, own_server
from xapp.cli.say import say
from xapp.client import ClientError, Retry
from xapp.errors import XappError
from xapp.inference.v1 import models_pb2
from xapp.models.paths import models_dir
from xapp.models.store import ModelFile, resolve

_LOOK_S = 1.0
"""How long a node that may serve already is looked for."""
_ONCE = Retry(attempts=1)
"""A port that refuses the connection has no node: to try again would only delay the start of one."""
_UNPINNED = {"XAPP_PIN_TASKS": "false"}
"""The first question of a conversation would wait behind the prompts of tasks."""


@click.command()
@click.argument("model")
@node_options
@talk_options
def run(model: str, node: Node, talk: Talk) -> None:
    """Chat with MODEL: fetched if it is not here, served if no node serves it.

    MODEL is a name of the catalogue, hf:OWNER/REPOSITORY/FILE.gguf, or the path of a GGUF file. A node that
    listens at --target and has the model, or can load it, answers. Otherwise a server of this command's own
    starts on free ports, and ends with the conversation.

    \b
      genai-xapp run smollm2-135m-q4_1
      echo "What is O-RAN?" | genai-xapp run ./my-model.gguf
    """  # noqa: D301  click reads \b as a backspace
    file = _fetched(model)
    if found := asyncio.run(_served(node, file.name)):
        say(f"{node.target} serves {found}", err=True)
        asyncio.run(talk.hold(node, found))
        return
    with _own_node(node, file) as own:
        asyncio.run(talk.hold(own, ""))


def _fetched(model: str) -> ModelFile:
    """The model's file on this machine. Raises XappError, with what is wrong with the name."""
    folder = models_dir(os.environ)
    try:
        return resolve(model, folder)
    except XappError as error:
        if error.reason == "NO_SUCH_FILE":
            raise
        # Imported here: a model that is on this machine needs neither.
        from xapp.cli.progress import TerminalProgress  # noqa: PLC0415
        from xapp.models.pull import pull  # noqa: PLC0415

        with TerminalProgress(model) as progress:
            return pull(model, folder, progress=progress).model


async def _served(node: Node, name: str) -> str:
    """The model's name at the node, where the node serves the model or can load it; "" otherwise."""
    async with node.client(retry=_ONCE) as client:
        try:
            models = {each.name: each for each in await client.list_models(deadline_s=_LOOK_S)}
        except ClientError:
            return ""
        if name not in models:
            return ""
        if models[name].state == models_pb2.MODEL_STATE_AVAILABLE:
            say(f"{node.target} loads {name}", err=True)
            async for _ in client.load_model(name):
                pass
        return name


@contextmanager
def _own_node(node: Node, file: ModelFile) -> Iterator[Node]:
    """A server of the model that ends with the block."""
    say(f"starting a server of {file.name}", err=True)
    path = str(Path(file.path).resolve())
    settings = {key: value for key, value in _UNPINNED.items() if key not in os.environ}
    # The node's other models would be loaded as well, and are not talked with.
    settings["XAPP_MODELS"] = path
    with own_server(path, settings, quick=True) as server:
        own = replace(node, target=server.target, credentials=None, token="")
        try:
            asyncio.run(_until_serving(own, server))
            yield own
        except ClientError as error:
            raise click.ClickException(f"{error}\nThe server's last words:\n{server.tail()}") from error
        server.stop()


async def _until_serving(own: Node, server: OwnServer) -> None:
    async with own.client() as client:
        await server.until_serving(client)
