"""Documents of a collection, and the passages that they are cut into.

Places in a document are characters: the first, and the one behind the last.
"""

import enum
from dataclasses import dataclass, field

from xapp.domain.metadata import Metadata

TITLES = " › "
"""Between the titles above a passage."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document. `vector` is float32, little-endian, of length 1; b"" without one."""

    text: str
    title: str = ""
    start: int = 0
    end: int = 0
    vector: bytes = b""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it comes: bytes to be cut here, or `passages` that the caller cut.

    `embedding_digest`: the model of the caller's vectors.
    """

    id: str
    title: str = ""
    media_type: str = ""
    metadata: Metadata = field(default_factory=dict)
    content: bytes = b""
    passages: tuple[Passage, ...] = ()
    embedding_digest: str = ""


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A stored document. `digest` covers its content, title and metadata."""

    id: str
    digest: str
    title: str
    num_passages: int
    metadata: Metadata


class Outcome(enum.Enum):
    """What became of a document."""

    ADDED = enum.auto()
    REPLACED = enum.auto()
    UNCHANGED = enum.auto()
    SKIPPED = enum.auto()


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """What became of a document. `reason` and `message` say why it was skipped."""

    id: str
    outcome: Outcome
    num_passages: int = 0
    reason: str = ""
    message: str = ""
    digest: str = ""
