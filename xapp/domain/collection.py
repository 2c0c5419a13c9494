"""A collection of documents: what a new one is made of, and what is known of it."""

from dataclasses import dataclass


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
