"""Retrieval: collections of documents, search in them, and answers with their passages.

Times are seconds. Points in time are on CLOCK_MONOTONIC, unless a name says otherwise. Places in a document
are characters: the first, and the one behind the last.
"""

import enum
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from xapp.domain.embedding import ANYBODY, Caller

TITLES = " › "
"""Between the titles above a passage."""
MAX_QUERY_CHARS = 8192
MAX_TOP_K = 100
MAX_SOURCES = 20
DEFAULT_TOP_K = 5
DEFAULT_CONTEXT_TOKENS = 1024

Scalar: TypeAlias = str | float | bool
Metadata: TypeAlias = Mapping[str, Scalar]


class SearchMode(enum.Enum):
    """How passages are found: by words (BM25), by vectors (cosine), or by both lists together."""

    HYBRID = enum.auto()
    WORDS = enum.auto()
    VECTORS = enum.auto()


class Outcome(enum.Enum):
    """What became of a document."""

    ADDED = enum.auto()
    REPLACED = enum.auto()
    UNCHANGED = enum.auto()
    SKIPPED = enum.auto()


class NothingFound(enum.Enum):
    """What becomes of a request without a passage: it fails, or its answer says that nothing was found."""

    FAIL = enum.auto()
    ABSTAIN = enum.auto()


@dataclass(frozen=True, slots=True)
class Condition:
    """One name of a filter. `one_of` and `none_of` None: not asked. Bounds are inclusive."""

    name: str
    one_of: tuple[Scalar, ...] | None = None
    none_of: tuple[Scalar, ...] | None = None
    at_least: Scalar | None = None
    at_most: Scalar | None = None


Filter: TypeAlias = tuple[Condition, ...]
"""All conditions hold. () is everything."""


@dataclass(frozen=True, slots=True)
class Grounding:
    """The passages that a request for an answer wants. `query` "" is the last user message. `scope` decides
    which collections the caller sees.
    """

    collection: str
    top_k: int = DEFAULT_TOP_K
    min_score: float = 0.0
    filter: Filter = ()
    max_context_tokens: int = DEFAULT_CONTEXT_TOKENS
    on_nothing: NothingFound = NothingFound.FAIL
    query: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage in the prompt of an answer, cited by its number as [1]."""

    number: int
    collection: str
    document: str
    title: str
    start: int
    end: int
    score: float
    digest: str


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """A new collection. `embedding_model` None: words only. "" is the node's embedding model."""

    name: str
    embedding_model: str | None = ""
    shared: bool = False
    passage_chars: int = 1000
    overlap_chars: int = 150


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection. `owner` is "" where it is shared. `error` is "" where it can be used.

    `embedding_digest` "" is a collection without vectors. `created`: seconds since 1970.
    """

    name: str
    owner: str = ""
    error: str = ""
    reason: str = ""
    embedding_model: str = ""
    embedding_digest: str = ""
    dimensions: int = 0
    num_documents: int = 0
    num_passages: int = 0
    size_bytes: int = 0
    passage_chars: int = 1000
    overlap_chars: int = 150
    schema_version: int = 0
    created: float = 0.0

    @property
    def has_vectors(self) -> bool:
        """Whether passages have vectors."""
        return bool(self.embedding_digest)


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


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """What became of a document. `reason` and `message` say why it was skipped."""

    id: str
    outcome: Outcome
    num_passages: int = 0
    reason: str = ""
    message: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A question to a collection. `rerank` None: where the node has a reranker."""

    collection: str
    query: str
    top_k: int = DEFAULT_TOP_K
    min_score: float = 0.0
    filter: Filter = ()
    mode: SearchMode | None = None
    rerank: bool | None = None
    caller: Caller = ANYBODY


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found. `score`, 0 to 1, is the relevance, else the cosine, else that of BM25."""

    document: str
    title: str
    start: int
    end: int
    text: str
    digest: str
    score: float
    cosine: float | None = None
    bm25: float | None = None
    relevance: float | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The passages, the best first."""

    hits: tuple[Hit, ...]
    mode: SearchMode
    rerank_method: str = ""
    embed_s: float = 0.0
    search_s: float = 0.0
    rerank_s: float = 0.0


class Retrieval(Protocol):
    """The collections of this node. A caller sees those of its scope, and shared ones.

    Raises XappError only (and CancelledError).
    """

    async def create(self, spec: CollectionSpec, caller: Caller) -> CollectionInfo:
        """Raises AlreadyExists, InvalidArgument, Exhausted, and as `Embedding.embed` does."""
        ...

    async def get(self, name: str, scope: str) -> CollectionInfo:
        """Raises NotFound."""
        ...

    async def list(self, scope: str) -> Sequence[CollectionInfo]:
        """Sorted by name."""
        ...

    async def drop(self, name: str, scope: str) -> None:
        """Deletes a collection. Raises NotFound."""
        ...

    async def upsert(self, collection: str, document: Document, caller: Caller) -> UpsertResult:
        """Stores one document as a whole, or not at all. Raises NotFound, FailedPrecondition."""
        ...

    async def delete(self, collection: str, scope: str, ids: Sequence[str] | None, condition: Filter) -> int:
        """Removes documents by ids, or by a filter where `ids` is None. Returns their number."""
        ...

    def documents(self, collection: str, scope: str) -> AsyncIterator[Sequence[DocumentInfo]]:
        """All documents, sorted by id, in lists."""
        ...

    async def search(self, request: SearchRequest) -> SearchResult:
        """The passages that fit best. Raises NotFound, FailedPrecondition."""
        ...

    def backup(self, collection: str, scope: str) -> AsyncGenerator[bytes, None]:
        """A consistent copy of the collection's file. Raises FailedPrecondition where there is no file."""
        ...
