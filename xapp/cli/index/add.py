"""`genai-xapp index add`: files into a collection, with progress. The same command goes on after a break."""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from xapp.cli.from_node import name_of
from xapp.cli.index.files import FoundFile, find
from xapp.cli.index.filters import metadata_of
from xapp.cli.node import Node, node_options
from xapp.cli.options import json_line, json_option
from xapp.cli.say import say
from xapp.client import Client, ClientError
from xapp.client.retrieval_methods import struct
from xapp.retrieval.v1 import retrieval_pb2 as pb

DEFAULT_COLLECTION = "documents"
_MOST_TRIES = 5
_LATER = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
_OUTCOMES = ("added", "replaced", "unchanged", "skipped")


@click.command()
@click.argument(
    "places", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FOLDER..."
)
@node_options
@click.option(
    "--collection", default=DEFAULT_COLLECTION, show_default=True, help="Made where it is not there."
)
@click.option(
    "--metadata", "values", multiple=True, metavar="NAME=VALUE", help="What filters can ask for. Repeatable."
)
@json_option
def add(
    places: tuple[Path, ...], node: Node, *, collection: str, values: tuple[str, ...], as_json: bool
) -> None:
    """Add the files of each FOLDER (or file) to a collection: Markdown, text, HTML and PDF.

    A document that is there already, unchanged, costs nothing: after a break, the same command goes on where
    it stopped. At the end stands what was skipped, and why.

    \b
      genai-xapp index add docs/ specs/ --collection handbook --metadata release=17
    """  # noqa: D301  click reads \b as a backspace
    files = list(find(places))
    twice = [name for name, count in Counter(each.id for each in files).items() if count > 1]
    if twice:
        raise click.UsageError(f"two files would be the document {twice[0]!r}: add them one after the other")
    report = _Report(len(files), as_json=as_json)
    asyncio.run(_add(node, collection, files, metadata_of(values), report))
    report.end()


class _Report:
    """What becomes of the files: a line on a terminal that changes, and a summary."""

    def __init__(self, total: int, *, as_json: bool) -> None:
        self._total = total
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._passages = 0
        self._skipped: list[str] = []

    def tell(self, result: pb.UpsertResult) -> None:
        """The next file."""
        outcome = name_of(pb.UpsertOutcome, result.outcome, "UPSERT_OUTCOME_")
        self._counts[outcome] += 1
        self._passages += result.num_passages
        if outcome == "skipped":
            self._skipped.append(f"  {result.id}: {result.reason}: {result.message}")
        if self._as_json:
            say(json_line(result))
        self._progress(result.id)

    def _progress(self, name: str) -> None:
        if sys.stderr.isatty():
            done = self._counts.total()
            click.echo(f"\r\033[K{done}/{self._total}  {name[:60]}", err=True, nl=done == self._total)

    def end(self) -> None:
        """The summary."""
        if self._as_json:
            return
        counts = ", ".join(f"{self._counts[each]} {each}" for each in _OUTCOMES)
        say(f"{counts} · {self._passages:,} passages")
        for line in self._skipped:
            say(line)


async def _add(
    node: Node, collection: str, files: Sequence[FoundFile], metadata: Mapping[str, Any], report: _Report
) -> None:
    async with node.client() as client:
        await _make_sure(client, collection)
        for file in files:
            report.tell(await add_file(client, collection, file, metadata))


async def _make_sure(client: Client, collection: str) -> None:
    """Makes the collection where it is not there."""
    try:
        await client.get_collection(collection)
    except ClientError as error:
        if error.code != "NOT_FOUND":
            raise
        await client.create_collection(collection)


async def add_file(
    client: Client, collection: str, file: FoundFile, metadata: Mapping[str, Any]
) -> pb.UpsertResult:
    """Stores one file, or says why it is skipped."""
    if file.skipped:
        return _skipped(file, *file.skipped.split(": ", 1))
    try:
        # In a thread: a file may be on a slow disk.
        content = await asyncio.to_thread(file.path.read_bytes)
    except OSError as error:
        return _skipped(file, "UNREADABLE", error.strerror or str(error))
    document = pb.Document(id=file.id, content=content, metadata=struct(metadata))
    try:
        return await _upsert(client, collection, document)
    except ClientError as error:
        if error.code != "INVALID_ARGUMENT":
            raise
        return _skipped(file, error.reason or error.code, error.message)


async def _upsert(client: Client, collection: str, document: pb.Document) -> pb.UpsertResult:
    """Tries again where the node says that waiting helps."""
    for attempt in range(_MOST_TRIES):
        try:
            return (await client.upsert(collection, [document]))[0]
        except ClientError as error:
            last = attempt == _MOST_TRIES - 1
            if last or error.code not in _LATER or error.retry_after_s is None:
                raise
            await asyncio.sleep(error.retry_after_s)
    raise AssertionError("the last attempt returns or raises")


def _skipped(file: FoundFile, reason: str, message: str) -> pb.UpsertResult:
    return pb.UpsertResult(id=file.id, outcome=pb.UPSERT_OUTCOME_SKIPPED, reason=reason, message=message)
