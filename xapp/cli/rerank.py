"""`genai-xapp rerank`: documents by relevance."""

import asyncio
from collections.abc import Sequence

import click

from xapp.cli.count import Count
from xapp.cli.from_node import name_of
from xapp.cli.node import Node, node_options
from xapp.cli.options import json_line, json_option, model_option, priority_of, waiting_options
from xapp.cli.say import say
from xapp.cli.text_lines import read_lines, texts_option, truncation_option
from xapp.inference.v1 import embedding_pb2 as pb

_METHOD = "RERANK_METHOD_"


@click.command()
@click.argument("query")
@click.argument("documents", nargs=-1)
@texts_option
@node_options
@model_option
@click.option("--top", type=Count(), help="Show so many documents. Default: all.")
@truncation_option
@waiting_options
@json_option
def rerank(
    query: str,
    documents: tuple[str, ...],
    node: Node,
    *,
    file: str | None,
    model: str,
    top: int | None,
    truncate: str | None,
    priority: str,
    correlation_id: str,
    deadline: float | None,
    as_json: bool,
) -> None:
    """Sort DOCUMENTS, or the lines of --file, by their relevance for QUERY.

    \b
      genai-xapp rerank "why did the handover fail?" "the target cell was full" "the fan is loud"
      genai-xapp rerank "sleeping cell" --file passages.txt --top 5 --json
    """  # noqa: D301  click reads \b as a backspace
    request = pb.RerankRequest(
        model=model,
        query=query,
        documents=read_lines(documents, file),
        top_n=top,
        truncation=pb.Truncation.Value(f"TRUNCATION_{(truncate or 'unspecified').upper()}"),
        priority=priority_of(priority),
        correlation_id=correlation_id,
    )
    response = asyncio.run(_rerank(node, request, deadline))
    say(json_line(response) if as_json else _table(request.documents, response))


async def _rerank(node: Node, request: pb.RerankRequest, deadline: float | None) -> pb.RerankResponse:
    async with node.client() as client:
        return await client.rerank_request(request, deadline_s=deadline)


def _table(documents: Sequence[str], response: pb.RerankResponse) -> str:
    method = name_of(pb.RerankMethod, response.method, _METHOD).replace("_", " ")
    lines = [f"{response.model}: by {method}, {response.num_tokens} tokens"]
    for each in response.documents:
        lost = f"  {each.num_lost_tokens} tokens lost" if each.num_lost_tokens else ""
        text = documents[each.index][:64] if 0 <= each.index < len(documents) else "no document of these"
        lines.append(f"{each.relevance:7.4f}  {each.score:9.4f}  {text}{lost}")
    return "\n".join(lines)
