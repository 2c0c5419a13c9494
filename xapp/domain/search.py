"""A search in a collection, and the passages that it finds.

Times are seconds. Places in a document are characters: the first, and the one behind the last.
"""

import enum
from dataclasses import dataclass, field

from xapp.domain.embedding import ANYBODY, Caller
from xapp.domain.metadata import Filter, Metadata

MAX_QUERY_CHARS = 8192
MAX_TOP_K = 100
DEFAULT_TOP_K = 5


class SearchMode(enum.Enum):
    """How passages are found: by words (BM25), by vectors (cosine), or by both lists together."""

    HYBRID = enum.auto()
    WORDS = enum.auto()
    VECTORS = enum.auto()


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
