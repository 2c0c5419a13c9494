"""`genai-xapp models load` and `unload`: the loaded models of a running node."""

import asyncio
from contextlib import aclosing

import click

from xapp.cli.from_node import share
from xapp.cli.node import Node, node_options
from xapp.cli.options import Duration, json_line, json_option
from xapp.cli.progress import TerminalProgress
from xapp.cli.say import say
from xapp.cli.sizes import size_text
from xapp.inference.v1 import models_pb2

_deadline_option = click.option(
    "--deadline",
    type=Duration(),
    metavar="5m",
    help="Give up after this long; the node goes on. Default: never.",
)


@click.command(short_help="Have a node load a model.")
@click.argument("name")
@node_options
@_deadline_option
@json_option
def load(name: str, node: Node, *, deadline: float | None, as_json: bool) -> None:
    """Load a model that lies on the node: a catalogue name, or a file name of its models folder.

    Shows the progress, and ends when requests can name the model. One that is loaded is told at once.
    """
    model = asyncio.run(_load(node, name, deadline))
    say(json_line(model) if as_json else f"{model.name} is loaded: {_loaded_text(model)}")


async def _load(node: Node, name: str, deadline: float | None) -> models_pb2.Model:
    model = models_pb2.Model()
    async with node.client() as client:
        with TerminalProgress(name) as shown:
            async with aclosing(client.load_model(name, deadline_s=deadline)) as steps:
                async for step in steps:
                    model = step.model
                    shown.update("loading", int(share(step.progress) * model.size_bytes), model.size_bytes)
    return model


def _loaded_text(model: models_pb2.Model) -> str:
    return f"{model.num_slots} slots of {model.context_length} tokens, {size_text(model.memory_bytes)}"


@click.command(short_help="Have a node give a model's memory back.")
@click.argument("name")
@node_options
@_deadline_option
@json_option
def unload(name: str, node: Node, *, deadline: float | None, as_json: bool) -> None:
    """Unload a model: its running streams finish first, within the node's grace period.

    The default model stays loaded. The file stays: `models rm` on the node removes it.
    """
    model = asyncio.run(_unload(node, name, deadline))
    say(json_line(model) if as_json else f"{model.name} is unloaded")


async def _unload(node: Node, name: str, deadline: float | None) -> models_pb2.Model:
    async with node.client() as client:
        return await client.unload_model(name, deadline_s=deadline)
