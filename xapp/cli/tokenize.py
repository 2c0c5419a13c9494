"""`genai-xapp tokenize`: how long a prompt is for the model."""

import asyncio

import click

from xapp.cli.options import json_line, json_option, model_option, read_prompt, target_option
from xapp.cli.say import say
from xapp.client import Client, user
from xapp.inference.v1 import inference_pb2 as pb


@click.command()
@click.argument("prompt", required=False)
@target_option
@model_option
@click.option("--chat/--raw", default=True, help="Apply the model's chat template (default), or not.")
@json_option
def tokenize(prompt: str | None, target: str, model: str, chat: bool, as_json: bool) -> None:
    """Count the tokens of PROMPT (- or nothing: standard input), as `generate` would send it."""
    text = read_prompt(prompt)
    response = asyncio.run(_tokenize(target, model, text, chat=chat))
    if as_json:
        say(json_line(response))
    else:
        say(f"{response.num_tokens} tokens of a context of {response.context_length}")


async def _tokenize(target: str, model: str, text: str, *, chat: bool) -> pb.TokenizeResponse:
    async with Client(target) as client:
        return await client.tokenize([user(text)] if chat else text, model=model)
