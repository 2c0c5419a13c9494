"""`genai-xapp demo-rag`: a node, a folder of documents, and one question with and without them."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from xapp.cli.count import Count
from xapp.cli.demo import DEFAULT_MODEL, step
from xapp.cli.index.add import add_file
from xapp.cli.index.files import find
from xapp.cli.own_server import OwnServer, own_server
from xapp.cli.passages import Sources
from xapp.cli.say import say, shown
from xapp.client import Client, ClientError, user
from xapp.inference.v1 import inference_pb2 as pb
from xapp.retrieval.v1 import retrieval_pb2

QUESTION = "How does the node register with the near-RT RIC?"
PLACES = ("docs/ric.md", "docs/routing.md", "docs/tasks.md")
"""A vector takes a fifth of a second on a small CPU: these pages have 60 passages."""
COLLECTION = "documents"
_SHOWN_CHARS = 160
_LOAD_S = 120.0


@click.command()
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="The language model.")
@click.option(
    "--embedder", default="", help="An embedding model. Default: none, the search is by words alone."
)
@click.option(
    "--documents",
    "places",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    default=PLACES,
    show_default=True,
    help="Files and folders. Repeatable.",
)
@click.option("--question", default=QUESTION, show_default=True, help="What to ask.")
@click.option("--max-tokens", type=Count(), default=64, show_default=True)
def demo_rag(model: str, embedder: str, places: tuple[Path, ...], question: str, max_tokens: int) -> None:
    """Serve a model, index documents, search them, and ask one question without and with its passages.

    Nothing keeps running afterwards, and the collection is removed. The default model has 135 million
    parameters: the passages are right more often than what it makes of them.
    """
    with tempfile.TemporaryDirectory(prefix="xapp-demo-") as place:
        settings = {"XAPP_RETRIEVAL_FOLDER": place, "XAPP_MODELS": embedder}
        step(f"XAPP_RETRIEVAL_FOLDER={place} genai-xapp serve --model {model}")
        with own_server(model, settings) as server:
            try:
                asyncio.run(_show(server, embedder, places, question, max_tokens))
            except ClientError as error:
                raise click.ClickException(f"{error}\nThe server's last words:\n{server.tail()}") from error
            server.stop()
    say("  exit code 0")


async def _show(
    server: OwnServer, embedder: str, places: Sequence[Path], question: str, max_tokens: int
) -> None:
    async with Client(server.target) as client:
        await server.until_serving(client)
        await _index(client, embedder, places)
        await _search(client, question)
        step(f"generate without the collection: {question}")
        await _ask(client, question, max_tokens, None)
        step("generate --collection documents")
        retrieval = pb.Retrieval(collection=COLLECTION, top_k=3, max_context_tokens=600)
        await _ask(client, question, max_tokens, retrieval)


async def _index(client: Client, embedder: str, places: Sequence[Path]) -> None:
    if embedder:
        async for _ in client.load_model(Path(embedder).stem, deadline_s=_LOAD_S):
            pass
    step(f"index create {COLLECTION}" + ("" if embedder else " --words-only"))
    await client.create_collection(COLLECTION, words_only=not embedder)
    step(f"index add {' '.join(map(str, places))}")
    counts: Counter[str] = Counter()
    for file in find(places):
        result = await add_file(client, COLLECTION, file, {})
        counts[retrieval_pb2.UpsertOutcome.Name(result.outcome).rpartition("_")[2].lower()] += 1
        counts["passages"] += result.num_passages
    say("  " + ", ".join(f"{count} {what}" for what, count in counts.items()))


async def _search(client: Client, question: str) -> None:
    step(f"index search {COLLECTION}: {question}")
    response = await client.search(COLLECTION, question, top_k=3)
    for number, hit in enumerate(response.hits, 1):
        say(f"  [{number}] {hit.score:.3f}  {hit.document}  {shown(hit.title)}")
        say(f"      {shown(' '.join(hit.text.split())[:_SHOWN_CHARS])}")
    embed_ms, search_ms = (
        each.ToMicroseconds() / 1000 for each in (response.embed_duration, response.search_duration)
    )
    say(f"  {embed_ms:.1f} ms for the question's vector, {search_ms:.1f} ms for the search")


async def _ask(client: Client, question: str, max_tokens: int, retrieval: pb.Retrieval | None) -> None:
    text, sources = "", Sources()
    async for event in client.generate([user(question)], max_tokens=max_tokens, retrieval=retrieval):
        sources.follow(event)
        text += event.chunk.text
        if event.HasField("finished"):
            usage = event.finished.usage
            say(f"  {shown(' '.join(text.split()))}")
            say(f"    {usage.num_prompt_tokens} tokens of prompt, {usage.num_completion_tokens} of answer")
    for line in sources.lines():
        say(f"  {line}")
