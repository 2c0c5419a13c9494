"""A recorded answer: the request, the provenance of the answer, and its text, as one JSON file."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from xapp.inference.v1 import inference_pb2 as pb
from xapp.text_file import read_text

_F = TypeVar("_F", bound=Callable[..., Any])


def record_option(command: _F) -> _F:
    """`record`, the path of the file to write, or None."""
    return click.option(
        "--record",
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        metavar="FILE",
        help="Write the request, the answer and what made it, for `replay`.",
    )(command)


@dataclass(frozen=True)
class Record:
    """`request` has the seed and the version of the task that were used, so that it can be repeated."""

    request: pb.GenerateRequest
    provenance: pb.Provenance
    text: str

    def write(self, path: Path) -> None:
        """Raises OSError."""
        body = {
            "request": MessageToDict(self.request, preserving_proto_field_name=True),
            "provenance": MessageToDict(self.provenance, preserving_proto_field_name=True),
            "text": self.text,
        }
        path.write_text(json.dumps(body, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a record. Raises ClickException with the file if it is invalid."""
        try:
            body: Any = json.loads(read_text(path))
            request = ParseDict(body["request"], pb.GenerateRequest())
            provenance = ParseDict(body["provenance"], pb.Provenance())
            return cls(request, provenance, str(body["text"]))
        except (ValueError, KeyError, TypeError, RecursionError, ParseError) as error:
            raise click.ClickException(f"{path}: is no record of an answer: {error}") from error


class Recorder:
    """`follow` every event of the answer to `request`. After its end there is a `record`."""

    def __init__(self, request: pb.GenerateRequest) -> None:
        self._request = request
        self._texts: list[str] = []
        self._provenance: pb.Provenance | None = None

    def follow(self, event: pb.GenerateResponse) -> None:
        """Passes on the events in order."""
        if event.HasField("chunk"):
            self._texts.append(event.chunk.text)
        elif event.HasField("finished"):
            self._provenance = event.finished.provenance

    @property
    def record(self) -> Record:
        """The record. Raises ClickException when the node sends no provenance."""
        made_by = self._provenance
        if made_by is None or not made_by.prompt_hash:
            raise click.ClickException("the node does not tell the answer's provenance: nothing is recorded")
        return Record(_pinned(self._request, made_by), made_by, "".join(self._texts))


def _pinned(request: pb.GenerateRequest, made_by: pb.Provenance) -> pb.GenerateRequest:
    pinned = pb.GenerateRequest()
    pinned.CopyFrom(request)
    if request.task:
        pinned.task = made_by.task
    if request.sampling.temperature > 0:
        pinned.sampling.seed = made_by.seed
    return pinned
