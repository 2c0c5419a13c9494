"""The commands of `genai-xapp index`, without `add`."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import click

from xapp.cli.count import Count
from xapp.cli.group import NearGroup
from xapp.cli.index.add import add
from xapp.cli.index.filters import filter_of, filter_option
from xapp.cli.node import Node, node_options
from xapp.cli.options import json_line, json_option
from xapp.cli.say import say, shown
from xapp.retrieval.v1 import retrieval_pb2 as pb

_TEXT_CHARS = 300
_MODES = {"hybrid": pb.SEARCH_MODE_HYBRID, "words": pb.SEARCH_MODE_WORDS, "vectors": pb.SEARCH_MODE_VECTORS}


@click.group(cls=NearGroup)
def index() -> None:
    """Collections of documents on a node: fill, search and keep them."""


index.add_command(add)


@index.command()
@click.argument("name")
@node_options
@click.option("--embedding-model", default="", help="The model that makes the vectors. Default: the node's.")
@click.option("--words-only", is_flag=True, help="Search by words alone: no embedding model is needed.")
@click.option("--shared", is_flag=True, help="Every caller may search it. For administrators.")
@click.option("--passage-chars", type=click.IntRange(200, 8000), help="Most characters of a passage. [1000]")
@click.option("--overlap-chars", type=Count(0), help="What a passage repeats of the one before. [150]")
@json_option
def create(
    name: str,
    node: Node,
    *,
    embedding_model: str,
    words_only: bool,
    shared: bool,
    passage_chars: int | None,
    overlap_chars: int | None,
    as_json: bool,
) -> None:
    """Make the empty collection NAME."""

    async def run() -> pb.Collection:
        async with node.client() as client:
            return await client.create_collection(
                name,
                embedding_model=embedding_model,
                words_only=words_only,
                shared=shared,
                passage_chars=passage_chars,
                overlap_chars=overlap_chars,
            )

    _show([asyncio.run(run())], as_json=as_json)


@index.command("list")
@click.argument("name", required=False)
@node_options
@json_option
def list_collections(name: str | None, node: Node, as_json: bool) -> None:
    """The collections that the caller may use; with NAME, the documents of a collection."""

    async def collections() -> list[pb.Collection]:
        async with node.client() as client:
            return await client.list_collections()

    if name is None:
        _show(asyncio.run(collections()), as_json=as_json)
    else:
        asyncio.run(_documents(node, name, as_json=as_json))


async def _documents(node: Node, name: str, *, as_json: bool) -> None:
    async with node.client() as client, aclosing(client.list_documents(name)) as documents:
        async for each in documents:
            say(json_line(each) if as_json else f"{each.id}  {each.num_passages} passages  {each.title}")


def _show(collections: Sequence[pb.Collection], *, as_json: bool) -> None:
    for each in collections:
        say(json_line(each) if as_json else _line(each))


def _line(each: pb.Collection) -> str:
    if each.error:
        return f"{each.name}  cannot be used: {each.error}"
    vectors = f"{each.embedding_model}, {each.dimensions} numbers" if each.embedding_digest else "words only"
    who = "shared" if each.shared else "own"
    size = f"{each.num_documents:,} documents, {each.num_passages:,} passages, {each.size_bytes / 1e6:.1f} MB"
    return f"{each.name}  {size}  {vectors}  {who}"


@index.command()
@click.argument("name")
@click.argument("query")
@node_options
@click.option("--top-k", type=click.IntRange(1, 100), default=5, show_default=True, help="Most passages.")
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, help="Least score of a passage.")
@filter_option
@click.option("--mode", type=click.Choice([*_MODES]), help="By words, by vectors, or both. [both]")
@click.option("--rerank/--no-rerank", default=None, help="Sort again with a reranker. [if the node has one]")
@json_option
def search(
    name: str,
    query: str,
    node: Node,
    *,
    top_k: int,
    min_score: float,
    conditions: tuple[str, ...],
    mode: str | None,
    rerank: bool | None,
    as_json: bool,
) -> None:
    """The passages of the collection NAME that fit QUERY best.

    \b
      genai-xapp index search docs "How does the node register?"
      genai-xapp index search docs "handover" --filter release>=17 --mode words
    """  # noqa: D301  click reads \b as a backspace

    async def run() -> pb.SearchResponse:
        async with node.client() as client:
            return await client.search(
                name,
                query,
                top_k=top_k,
                min_score=min_score,
                filter=filter_of(conditions),
                mode=_MODES[mode] if mode else pb.SEARCH_MODE_UNSPECIFIED,
                rerank=rerank,
            )

    response = asyncio.run(run())
    if as_json:
        say(json_line(response))
        return
    for number, hit in enumerate(response.hits, 1):
        say(f"[{number}] {hit.score:.3f}  {hit.document}  {hit.title}  ({hit.start}-{hit.end})")
        say(f"    {shown(' '.join(hit.text.split())[:_TEXT_CHARS])}")
    if not response.hits:
        say("nothing was found")


@index.command()
@click.argument("name")
@node_options
@click.option("--document", "documents", multiple=True, metavar="ID", help="Only this document. Repeatable.")
@filter_option
@click.option("--yes", is_flag=True, help="Delete the whole collection without a question.")
def delete(
    name: str, node: Node, *, documents: tuple[str, ...], conditions: tuple[str, ...], yes: bool
) -> None:
    """Delete the collection NAME, or some of its documents."""
    if documents or conditions:
        say(f"{asyncio.run(_delete_documents(node, name, documents, conditions))} documents deleted")
        return
    if not yes:
        click.confirm(f"delete the collection {name} with everything in it?", abort=True)

    async def run() -> None:
        async with node.client() as client:
            await client.delete_collection(name)

    asyncio.run(run())
    say(f"{name} deleted")


async def _delete_documents(
    node: Node, name: str, documents: Sequence[str], conditions: Sequence[str]
) -> int:
    async with node.client() as client:
        return await client.delete_documents(name, documents, filter=filter_of(conditions))


@index.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@node_options
def backup(name: str, file: Path, node: Node) -> None:
    """Write a consistent copy of the collection NAME to FILE, while the node uses it.

    To restore it, put FILE in the node's folder of collections under the name of the collection's file.
    """
    if file.exists():
        raise click.UsageError(f"{file} is there already")
    say(f"{file}: {asyncio.run(_backup(node, name, file)):,} bytes")


async def _backup(node: Node, name: str, file: Path) -> int:
    part, size = file.with_name(f"{file.name}.part"), 0
    try:
        with part.open("wb") as out:
            async with node.client() as client, aclosing(client.backup(name)) as blocks:
                async for block in blocks:
                    size += out.write(block)
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    return size
