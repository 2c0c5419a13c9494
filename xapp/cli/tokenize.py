"""`genai-xapp tokenize`: counts the tokens of a prompt."""

import asyncio

import click

from xapp.cli.node import Node, node_options
from xapp.cli.options import json_line, json_option, model_option, read_prompt
from xapp.cli.say import say
from xapp.client import user
from xapp.inference.v1 import inference_pb2 as pb


@click.command()
@click.argument("prompt", required=False)
@node_options
@model_option
@click.option("--chat/--raw", default=True, help="Apply the model's chat template (default), or not.")
@json_option
def tokenize(prompt: str | None, node: Node, model: str, chat: bool, as_json: bool) -> None:
    """Count the tokens of PROMPT (- or nothing: standard input), as `generate` would send it."""
    text = read_prompt(prompt)
    response = asyncio.run(_tokenize(node, model, text, chat=chat))
    if as_json:
        say(json_line(response))
    else:
        say(f"{response.num_tokens} tokens of a context of {response.context_length}")


async def _tokenize(node: Node, model: str, text: str, *, chat: bool) -> pb.TokenizeResponse:
    async with node.client() as client:
        return await client.tokenize([user(text)] if chat else text, model=model)
