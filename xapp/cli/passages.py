"""Options by which an answer gets passages of a collection, and the sources that it names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from xapp.cli.count import Count
from xapp.cli.index.filters import filter_of, filter_option
from xapp.client.retrieval_methods import struct
from xapp.inference.v1 import inference_pb2 as pb
from xapp.visible import visible

_F = TypeVar("_F", bound=Callable[..., Any])
_NAMES = ("passages", "min_score", "conditions", "context_tokens", "abstain")


def passage_options(command: _F) -> _F:
    """`collection`, and the names that `retrieval_of` reads."""
    options = (
        click.option("--collection", default="", help="Answer with passages of this collection."),
        click.option("--passages", type=click.IntRange(1, 20), help="Most passages. [5]"),
        click.option("--min-score", type=click.FloatRange(0, 1), help="Least score of a passage. [0]"),
        filter_option,
        click.option("--context-tokens", type=Count(16), help="Most tokens of passages. [1024]"),
        click.option("--abstain", is_flag=True, help="Where nothing is found, say so rather than fail."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def retrieval_of(collection: str, values: Mapping[str, Any]) -> pb.Retrieval | None:
    """The field of the request; `values` are those of `taken`. Raises UsageError."""
    if not collection:
        if any(values.values()):
            raise click.UsageError("--passages and its like need --collection")
        return None
    return pb.Retrieval(
        collection=collection,
        top_k=values["passages"],
        min_score=values["min_score"] or 0.0,
        filter=struct(filter_of(values["conditions"])),
        max_context_tokens=values["context_tokens"],
        on_nothing=pb.NOTHING_FOUND_ABSTAIN if values["abstain"] else pb.NOTHING_FOUND_FAIL,
    )


def taken(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the options of passages out of a command's other options."""
    return {name: options.pop(name) for name in _NAMES}


class Sources:
    """The passages of an answer. `follow` every event."""

    def __init__(self) -> None:
        self._sources: Sequence[pb.Source] = ()
        self._cited: Sequence[int] = ()

    def follow(self, event: pb.GenerateResponse) -> None:
        """The next event."""
        if event.HasField("started"):
            self._sources = list(event.started.sources)
        elif event.HasField("finished"):
            self._cited = list(event.finished.cited_sources)

    def lines(self) -> list[str]:
        """A line for each source; a star before those that the answer cites."""
        return [
            f"{'*' if each.number in self._cited else ' '} [{each.number}] {visible(each.document)}"
            f"  {visible(each.title)}  ({each.start}-{each.end}, score {each.score:.3f})"
            for each in self._sources
        ]
