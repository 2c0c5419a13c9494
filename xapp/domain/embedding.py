"""Embedding and reranking: requests, answers, and the Protocol `Embedding` that the edges use.

A vector is float32, little-endian, packed into bytes. Times are seconds. Points in time are
on CLOCK_MONOTONIC.
"""

import enum
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xapp.domain.priority import Priority

MAX_TEXTS = 2048
"""Texts of one request."""
MAX_TEXT_BYTES = 8 * 1024 * 1024
"""UTF-8 bytes of all texts of one request together."""
MAX_TOKENS = 300_000
"""Tokens of all texts of one request together, after they were cut. They travel in one message."""
FLOAT_BYTES = 4


class TextRole(enum.Enum):
    """What a text is for. A model may want another prefix before a query than before a passage."""

    PLAIN = enum.auto()
    QUERY = enum.auto()
    PASSAGE = enum.auto()


class Truncation(enum.Enum):
    """What happens to a text that is longer than the model reads: it is refused, or loses its start or
    its end.
    """

    NONE = enum.auto()
    START = enum.auto()
    END = enum.auto()


class RerankMethod(enum.Enum):
    """How documents were compared with the query.

    CROSS_ENCODER: a reranker reads the query and a document together. COSINE: the similarity of their
    vectors. QUERY_LIKELIHOOD: the probability that a language model gives the query after the document.
    """

    CROSS_ENCODER = enum.auto()
    COSINE = enum.auto()
    QUERY_LIKELIHOOD = enum.auto()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, how urgently, and until when. The fields are those of `requests.Request`."""

    client: str = ""
    scope: str = ""
    priority: Priority = Priority.INTERACTIVE
    deadline: float | None = None
    correlation_id: str = ""
    hops: int = 0


ANYBODY = Caller()


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to turn into vectors, 1 to MAX_TEXTS.

    `model` "" is the node's embedding model. `dimensions` None is the model's own number; fewer are possible
    where the model was trained for it (Matryoshka). A `normalized` vector has the length 1.
    """

    texts: tuple[str, ...]
    model: str = ""
    role: TextRole = TextRole.PLAIN
    truncation: Truncation = Truncation.NONE
    normalized: bool = True
    dimensions: int | None = None
    caller: Caller = ANYBODY


@dataclass(frozen=True, slots=True)
class EmbeddedText:
    """One text: its vector, its tokens that the model read, and the tokens that were cut off."""

    vector: bytes
    num_tokens: int
    num_lost_tokens: int = 0

    @property
    def values(self) -> "array[float]":
        """The numbers of the vector."""
        return array("f", self.vector)


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """`texts` in the order of the request. `model_digest` is that of the file: vectors of different models
    cannot be compared.
    """

    model: str
    model_digest: str
    dimensions: int
    texts: tuple[EmbeddedText, ...]
    queue_s: float = 0.0
    compute_s: float = 0.0

    @property
    def num_tokens(self) -> int:
        """Tokens of all texts."""
        return sum(each.num_tokens for each in self.texts)


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """Documents to sort by their relevance for a query, 1 to MAX_TEXTS.

    `model` "" is the node's reranker, or else its embedding model. `top_n` None returns all documents.
    """

    query: str
    documents: tuple[str, ...]
    model: str = ""
    top_n: int | None = None
    truncation: Truncation = Truncation.END
    caller: Caller = ANYBODY


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """`index` in the request. `score` is the method's own number, comparable within one method and model:
    a logit, a cosine, or the mean log-probability of the query's tokens. `relevance` is 0 to 1.
    """

    index: int
    score: float
    relevance: float
    num_tokens: int
    num_lost_tokens: int = 0


@dataclass(frozen=True, slots=True)
class RerankResult:
    """`documents` are sorted, the most relevant first. `num_tokens`: tokens that the model read."""

    model: str
    model_digest: str
    method: RerankMethod
    documents: tuple[RankedDocument, ...]
    num_tokens: int
    queue_s: float = 0.0
    compute_s: float = 0.0


class Embedding(Protocol):
    """Turns texts into vectors, and sorts documents. Raises XappError only (and CancelledError)."""

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        """The vectors of texts. Cancelling the caller cancels the request in the worker.

        Raises InvalidArgument with the field (`texts[3]`), NotFound, ModelError for a model of another
        kind, and as `Scoring.score` does.
        """
        ...

    async def rerank(self, request: RerankRequest) -> RerankResult:
        """Documents by relevance. Raises as `embed` does."""
        ...


def pack(values: Sequence[float]) -> bytes:
    """A vector as bytes."""
    return array("f", values).tobytes()
