"""`genai-xapp embed`: texts to vectors."""

import asyncio
from array import array
from math import fsum, sqrt

import click

from xapp.cli.count import Count
from xapp.cli.node import Node, node_options
from xapp.cli.options import json_line, json_option, model_option, priority_of, waiting_options
from xapp.cli.say import say
from xapp.cli.text_lines import read_lines, texts_option, truncation_option
from xapp.client.vectors import unpacked
from xapp.inference.v1 import embedding_pb2 as pb

SHOWN = 6
"""Numbers of a vector that people see."""


@click.command()
@click.argument("texts", nargs=-1)
@texts_option
@node_options
@model_option
@click.option("--role", type=click.Choice(["query", "passage"]), help="Put the model's prefix for it first.")
@truncation_option
@click.option("--normalize/--raw", default=True, help="Vectors of length 1 (default), or as they are.")
@click.option("--dimensions", type=Count(), help="Fewer numbers, where the model allows it.")
@waiting_options
@json_option
def embed(
    texts: tuple[str, ...],
    node: Node,
    *,
    file: str | None,
    model: str,
    role: str | None,
    truncate: str | None,
    normalize: bool,
    dimensions: int | None,
    priority: str,
    correlation_id: str,
    deadline: float | None,
    as_json: bool,
) -> None:
    """Turn each of TEXTS into a vector, or each line of --file. With two texts or more, the table shows how
    similar each text is to the first.

    \b
      genai-xapp embed "a cell is down" "the handover failed" --model bge-small-en-v1.5-q8
      genai-xapp embed --file passages.txt --role passage --truncate end --json
    """  # noqa: D301  click reads \b as a backspace
    request = pb.EmbedRequest(
        model=model,
        texts=read_lines(texts, file),
        role=pb.TextRole.Value(f"TEXT_ROLE_{(role or 'unspecified').upper()}"),
        truncation=pb.Truncation.Value(f"TRUNCATION_{(truncate or 'unspecified').upper()}"),
        normalize=normalize,
        dimensions=dimensions,
        priority=priority_of(priority),
        correlation_id=correlation_id,
    )
    response = asyncio.run(_embed(node, request, deadline))
    say(json_line(response) if as_json else _table(request, response))


async def _embed(node: Node, request: pb.EmbedRequest, deadline: float | None) -> pb.EmbedResponse:
    async with node.client() as client:
        return await client.embed_request(request, deadline_s=deadline)


def _table(request: pb.EmbedRequest, response: pb.EmbedResponse) -> str:
    vectors = [unpacked(each) for each in response.embeddings]
    lines = [f"{response.model}: {response.dimensions} numbers, {response.num_tokens} tokens"]
    for text, each, vector in zip(request.texts, response.embeddings, vectors, strict=True):
        numbers = " ".join(f"{number:7.4f}" for number in vector[:SHOWN])
        lost = f"  {each.num_lost_tokens} tokens lost" if each.num_lost_tokens else ""
        lines.append(f"{_cosine(vectors[0], vector):7.4f}  {numbers} …{lost}  {text[:48]}")
    return "\n".join(lines)


def _cosine(one: "array[float]", other: "array[float]") -> float:
    product = fsum(a * b for a, b in zip(one, other, strict=True))
    lengths = sqrt(fsum(a * a for a in one)) * sqrt(fsum(b * b for b in other))
    return product / lengths if lengths else 0.0
